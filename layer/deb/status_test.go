package deb

import (
	"strings"
	"testing"
	"testing/fstest"
)

func TestInstalled(t *testing.T) {
	t.Parallel()
	status := `Package: liba
Status: deinstall ok config-files
Architecture: arm64
Version: 9

Package: libb
Status: hold ok installed
Architecture: arm64
Version: 1:2.0-1
Description: b
 Package: libc
 Version: 7

Package: libd
Status: install ok half-configured
Version: 4
`
	debian := fstest.MapFS{"var/lib/dpkg/status": {Data: []byte(status)}}
	distroless := fstest.MapFS{"var/lib/dpkg/status.d/libb": {Data: []byte("Package: libb\nVersion: 3\nArchitecture: all\n")}}
	for _, tt := range []struct {
		fsys fstest.MapFS
		name string
		want string
	}{
		{debian, "libb", "1:2.0-1 arm64"}, {debian, "liba", ""}, {debian, "libc", ""}, {debian, "libd", ""}, {debian, "../status", ""},
		{distroless, "libb", "3 all"}, {distroless, "liba", ""}, {fstest.MapFS{}, "libb", ""},
	} {
		version, architecture, err := Installed(tt.fsys, tt.name)
		if got := strings.TrimSpace(version + " " + architecture); got != tt.want || err != nil {
			t.Errorf("Installed(%s) = %q, %v, want %q", tt.name, got, err, tt.want)
		}
	}
	long := fstest.MapFS{"var/lib/dpkg/status": {Data: []byte("Package: a\nX: " + strings.Repeat("x", maxField) + "\n")}}
	if _, _, err := Installed(long, "a"); err == nil {
		t.Error("a line without an end was read")
	}
}

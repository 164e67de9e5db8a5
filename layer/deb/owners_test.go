package deb_test

import (
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/layer/deb"
)

func TestOwners(t *testing.T) {
	t.Parallel()
	fsys := fstest.MapFS{
		"var/lib/dpkg/info/python3-six.list":       {Data: []byte("/.\n/usr\n/usr/lib/python3/dist-packages/six.py\n")},
		"var/lib/dpkg/info/libc6:amd64.list":       {Data: []byte("/lib/x86_64-linux-gnu/libc.so.6\n")},
		"var/lib/dpkg/info/python3-six.md5sums":    {Data: []byte("0  usr/lib/other.py\n")},
		"var/lib/dpkg/status.d/tzdata.md5sums":     {Data: []byte("0123  usr/share/zoneinfo/UTC\n")},
		"var/lib/dpkg/status.d/tzdata":             {Data: []byte("Package: tzdata\n")},
		"usr/lib/python3/dist-packages/another.py": {},
	}
	got, err := deb.Owners(fsys, []string{
		"usr/lib/python3/dist-packages/six.py", "lib/x86_64-linux-gnu/libc.so.6", "usr/share/zoneinfo/UTC", "usr/lib/other.py", "usr/lib/python3/dist-packages/another.py",
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"usr/lib/python3/dist-packages/six.py": "python3-six", "lib/x86_64-linux-gnu/libc.so.6": "libc6", "usr/share/zoneinfo/UTC": "tzdata",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("owners (-want +got):\n%s", diff)
	}
	if got, err := deb.Owners(fstest.MapFS{}, []string{"x"}); err != nil || len(got) > 0 {
		t.Errorf("without dpkg: %v, %v", got, err)
	}
}

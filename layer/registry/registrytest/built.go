package registrytest

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// distribution3 is the program of a registry by distribution 3, which Debian
// does not have: with a store of files and nothing else it builds in a minute.
const distribution3 = `package main

import (
	"context"
	"net/http"
	"os"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem"
)

func main() {
	conf := &configuration.Configuration{Storage: configuration.Storage{"filesystem": {"rootdirectory": os.Args[2]}}}
	conf.HTTP.Secret = "s"
	conf.Log.Level = "fatal"
	panic(http.ListenAndServe(os.Args[1], handlers.NewApp(context.Background(), conf)))
}
`

// Distribution3 builds that registry, of a release (v3.0.0), from the module
// proxy and starts it; the test is skipped where Go is not installed.
func Distribution3(t testing.TB, version string) string {
	t.Helper()
	return built(t, distribution3, "github.com/distribution/distribution/v3 "+version)
}

// ociRegistry is the program of CUE's registry, in memory.
const ociRegistry = `package main

import (
	"net/http"
	"os"

	"cuelabs.dev/go/oci/ociregistry/ocimem"
	"cuelabs.dev/go/oci/ociregistry/ociserver"
)

func main() { panic(http.ListenAndServe(os.Args[1], ociserver.New(ocimem.New(), nil))) }
`

// OCIRegistry builds that registry from the module proxy and starts it; the
// test is skipped where Go is not installed.
func OCIRegistry(t testing.TB) string {
	t.Helper()
	return built(t, ociRegistry, "cuelabs.dev/go/oci/ociregistry v0.0.0-20251212221603-3adeb8663819")
}

// built compiles a program that takes an address and a directory, and starts it.
func built(t testing.TB, program, require string) string {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("go is not installed: this registry is built from its source")
	}
	dir := t.TempDir()
	module := "module registry\n\ngo 1.25\n\nrequire " + require + "\n"
	for name, text := range map[string]string{"main.go": program, "go.mod": module} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"mod", "tidy"}, {"build", "-o", "registry", "."}} {
		cmd := exec.Command("go", args...)
		cmd.Dir = dir
		cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=-mod=mod -trimpath")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go %v: %v\n%s", args, err, out)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	return Started(t, addr, exec.Command(filepath.Join(dir, "registry"), addr, t.TempDir()))
}

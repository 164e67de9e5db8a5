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

const distribution3Module = `module registry

go 1.25

require github.com/distribution/distribution/v3 v3.0.0
`

// Distribution3 builds that registry from the module proxy and starts it.
func Distribution3(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"main.go": distribution3, "go.mod": distribution3Module} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"mod", "tidy"}, {"build", "-o", "registry", "."}} {
		cmd := exec.Command("go", args...)
		cmd.Dir = dir
		cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=-mod=mod")
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

package registry_test

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/empty"

	"github.com/sparkwheel/sparkwheel/layer"
	"github.com/sparkwheel/sparkwheel/layer/layout"
)

// A layer of 2 GiB goes to a real registry in memory under 64 MB. Beside it,
// in turn, crane and skopeo push the same layout, each to a registry of its
// own that holds nothing: the figures are those of docs/push-and-copy.md.
func TestRealPushMemory(t *testing.T) {
	if os.Getenv("SPARKWHEEL_E2E_REAL") != "1" {
		t.Skip("set SPARKWHEEL_E2E_REAL=1 to run it: it writes 26 gigabytes, four of them at a time; and needs docker-registry and skopeo")
	}
	const size, rounds = 2 << 30, 4
	dir := bigLayout(t, size)
	program := filepath.Join(t.TempDir(), "sparkwheel")
	run(t, "go", "build", "-trimpath", "-o", program, "github.com/sparkwheel/sparkwheel/cmd/sparkwheel")
	crane := craneProgram(t)
	clients := []struct {
		name    string
		command func(ref string) []string
	}{
		{"sparkwheel", func(ref string) []string {
			return []string{program, "--store", filepath.Join(t.TempDir(), "store"), "--progress", "none", "layer", "push", "--platform", "linux/amd64", "--image", "oci:" + dir, ref}
		}},
		{"crane", func(ref string) []string { return []string{crane, "push", "--insecure", dir, ref} }},
		{"skopeo", func(ref string) []string {
			return []string{"skopeo", "copy", "--quiet", "--dest-tls-verify=false", "oci:" + dir + ":latest", "docker://" + ref}
		}},
	}
	took := map[string][]time.Duration{}
	for round := range rounds {
		for i := range clients {
			c := clients[(round+i)%len(clients)]
			// A subtest ends its registry, and with it goes what it stored.
			t.Run(fmt.Sprintf("%s %d", c.name, round), func(t *testing.T) {
				args := c.command(distribution(t) + "/big/layer:v1")
				syscall.Sync()
				cmd := exec.Command(args[0], args[1:]...)
				started := time.Now()
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Fatalf("%v: %v\n%s", args, err, out)
				}
				took[c.name] = append(took[c.name], time.Since(started))
				usage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
				rss := usage.Maxrss << 10
				t.Logf("%-10s %6.2f s, %5.2f s of CPU, at most %d MiB of memory", c.name, time.Since(started).Seconds(),
					(cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds(), rss>>20)
				if c.name == "sparkwheel" && rss > 64e6 {
					t.Errorf("the push took %d bytes of memory, want at most 64 MB", rss)
				}
			})
		}
	}
	var medians []string
	for _, c := range clients {
		d := took[c.name]
		slices.SortFunc(d, cmp.Compare)
		medians = append(medians, fmt.Sprintf("%s %.2f s", c.name, ((d[(len(d)-1)/2]+d[len(d)/2])/2).Seconds()))
	}
	t.Logf("medians of %d rounds: %s", rounds, strings.Join(medians, ", "))
}

// bigLayout is a layout with one layer of so many bytes that no compression shrinks.
func bigLayout(t *testing.T, size int64) string {
	t.Helper()
	tree := t.TempDir()
	f, err := os.Create(filepath.Join(tree, "weights"))
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriterSize(f, 1<<20)
	if _, err := io.CopyN(w, rand.NewChaCha8([32]byte{7}), size); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	blob, err := layer.Write(t.Context(), t.TempDir(), os.DirFS(tree), layer.Options{Compression: layer.GzipRecompress, Level: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(f.Name()); err != nil {
		t.Fatal(err)
	}
	img, err := layer.Append(empty.Image, layer.Config{}, blob)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "layout")
	if _, err := layout.Write(t.Context(), dir, "latest", img); err != nil {
		t.Fatal(err)
	}
	return dir
}

package registry_test

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/sparkwheel/sparkwheel/layer/registry"
)

// Real clients pull what was pushed to a real registry, and what Server serves.
func TestE2EClientsPull(t *testing.T) {
	if os.Getenv("SPARKWHEEL_E2E") != "1" {
		t.Skip("set SPARKWHEEL_E2E=1 to run it: it needs skopeo, podman and docker-registry")
	}
	img, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{Architecture: "amd64", OS: "linux", RootFS: v1.RootFS{Type: "layers"}})
	if err != nil {
		t.Fatal(err)
	}
	layers, err := gzipped(t, 1000, 3<<20).Layers()
	if err != nil {
		t.Fatal(err)
	}
	if img, err = mutate.AppendLayers(img, layers...); err != nil {
		t.Fatal(err)
	}
	pushed := distribution(t) + "/team/app:v1"
	if _, err := client(t, registry.Options{Chunk: 1 << 20}).Push(t.Context(), tag(t, pushed), img, nil); err != nil {
		t.Fatal(err)
	}
	s := registry.NewServer()
	if err := s.AddImage("team/app", "v1", img); err != nil {
		t.Fatal(err)
	}
	served := serve(t, s) + "/team/app:v1"
	for _, ref := range []string{pushed, served} {
		for _, args := range [][]string{
			{"skopeo", "copy", "--src-tls-verify=false", "docker://" + ref, "dir:" + filepath.Join(t.TempDir(), "d")},
			{"podman", "--root", t.TempDir(), "--runroot", t.TempDir(), "--storage-driver", "vfs", "pull", "--tls-verify=false", ref},
		} {
			if _, err := exec.LookPath(args[0]); err != nil {
				t.Logf("%s is not installed", args[0])
				continue
			}
			if args[0] == "podman" && os.Getuid() != 0 {
				continue
			}
			if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
				t.Errorf("%v: %v\n%s", args, err, out)
			}
		}
	}
}

// bigLayer is a layer in a file, not compressed.
type bigLayer struct {
	file   string
	digest v1.Hash
	size   int64
}

func (l *bigLayer) Digest() (v1.Hash, error)             { return l.digest, nil }
func (l *bigLayer) DiffID() (v1.Hash, error)             { return l.digest, nil }
func (l *bigLayer) Size() (int64, error)                 { return l.size, nil }
func (l *bigLayer) MediaType() (types.MediaType, error)  { return types.OCIUncompressedLayer, nil }
func (l *bigLayer) Compressed() (io.ReadCloser, error)   { return os.Open(l.file) }
func (l *bigLayer) Uncompressed() (io.ReadCloser, error) { return os.Open(l.file) }

var _ partial.CompressedLayer = (*bigLayer)(nil)

func makeBig(t *testing.T, file string, size int64) {
	t.Helper()
	f, err := os.Create(file)
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
}

// A layer of 2 GiB goes to a real registry in memory under 64 MB.
func TestRealPushMemory(t *testing.T) {
	if os.Getenv("SPARKWHEEL_E2E_REAL") != "1" {
		t.Skip("set SPARKWHEEL_E2E_REAL=1 to run it: it writes four gigabytes")
	}
	const size = 2 << 30
	file := filepath.Join(t.TempDir(), "layer")
	makeBig(t, file, size)
	addr := distribution(t)
	cmd := exec.Command(os.Args[0], "-test.run=^TestPushOfFile$")
	cmd.Env = append(os.Environ(), "PUSH_FILE="+file, "PUSH_TO="+addr)
	started := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	took := time.Since(started)
	rss := cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss << 10
	t.Logf("%d bytes in %s, hashing included: %d MiB/s; at most %d MiB of memory", int64(size), took.Round(time.Millisecond), int64(size>>20)*1000/took.Milliseconds(), rss>>20)
	if rss > 64e6 {
		t.Errorf("the push took %d bytes of memory, want at most 64 MB", rss)
	}
}

// TestPushOfFile is the process that TestRealPushMemory measures.
func TestPushOfFile(t *testing.T) {
	file, addr := os.Getenv("PUSH_FILE"), os.Getenv("PUSH_TO")
	if file == "" {
		t.Skip("only as the child of TestRealPushMemory")
	}
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	l := &bigLayer{file: file}
	if l.digest, l.size, err = v1.SHA256(f); err != nil {
		t.Fatal(err)
	}
	img, err := mutate.AppendLayers(empty.Image, l)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := registry.New(registry.Options{}).Push(t.Context(), tag(t, addr+"/big/layer:v1"), img, nil); err != nil {
		t.Fatal(err)
	}
}

func BenchmarkPush(b *testing.B) {
	const size = 64 << 20
	img, err := mutate.AppendLayers(empty.Image, fixedLayer(size))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(size)
	for i := 0; b.Loop(); i++ {
		s := newStrict()
		addr := serve(b, s)
		if _, err := registry.New(registry.Options{Chunk: 16 << 20}).Push(b.Context(), tag(b, fmt.Sprintf("%s/bench/app:v%d", addr, i)), img, nil); err != nil {
			b.Fatal(err)
		}
	}
}

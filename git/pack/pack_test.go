package pack_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/git/pack"
)

func gitIn(t testing.TB, dir, stdin string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed")
	}
	cmd := exec.CommandContext(t.Context(), "git", args...)
	cmd.Dir = dir
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
		"GIT_AUTHOR_NAME=A", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_AUTHOR_DATE=1700000000 +0000",
		"GIT_COMMITTER_NAME=C", "GIT_COMMITTER_EMAIL=c@example.com", "GIT_COMMITTER_DATE=1700000000 +0000")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("git %v: %v", args, err)
	}
	return string(out)
}

// samplePack is a pack with deltas upon deltas, blobs from empty to the size
// given, trees, commits and a tag, and the names of its objects. Options go to
// git pack-objects.
func samplePack(t testing.TB, size int, options ...string) (packed []byte, names []string) {
	t.Helper()
	dir := t.TempDir()
	gitIn(t, dir, "", "init", "-q")
	text := strings.Repeat("a line of text that is long enough\n", min(200, size/25))
	rng := rand.New(rand.NewPCG(1, 2))
	large := make([]byte, size)
	for i := 0; i < len(large); i += 8 {
		copy(large[i:], "abcdefghijklmnop"[rng.IntN(8):])
	}
	for i := range 4 {
		text += strings.Repeat("more ", i) + "\n"
		if err := os.WriteFile(filepath.Join(dir, "text"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "large"), large[:len(large)-i/2*9], 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "empty"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		gitIn(t, dir, "", "add", "-A")
		gitIn(t, dir, "", "commit", "-q", "-m", "commit")
	}
	gitIn(t, dir, "", "tag", "-a", "-m", "tag", "v1")
	for line := range strings.SplitSeq(strings.TrimSpace(gitIn(t, dir, "", "rev-list", "--objects", "--all")), "\n") {
		names = append(names, line[:40])
	}
	names = append(names, strings.TrimSpace(gitIn(t, dir, "", "rev-parse", "v1")))
	list := strings.Join(names, "\n") + "\n"
	return []byte(gitIn(t, dir, list, append([]string{"pack-objects", "-q", "--stdout"}, options...)...)), names
}

func TestIndexIsGits(t *testing.T) {
	t.Parallel()
	for _, options := range [][]string{{"--delta-base-offset"}, {}, {"--depth=0"}, {"--depth=1"}} {
		packed, names := samplePack(t, 1<<20+1000, options...)
		dir := t.TempDir()
		var mu sync.Mutex
		blobs := 0
		opt := pack.Options{Blob: func(h plumbing.Hash, content []byte) error {
			mu.Lock()
			defer mu.Unlock()
			blobs++
			if plumbing.ComputeHash(plumbing.BlobObject, content) != h {
				t.Errorf("blob %s came with another content", h)
			}
			return nil
		}}
		// No read may depend on how the stream is cut.
		if err := pack.Index(t.Context(), &oddReader{r: bytes.NewReader(packed)}, dir, opt); err != nil {
			t.Fatal(err)
		}
		if blobs == 0 {
			t.Error("no blob was handed on")
		}
		files, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil || len(files) != 2 {
			t.Fatalf("%v, %q", err, files)
		}
		ours, err := os.ReadFile(files[0])
		if err != nil {
			t.Fatal(err)
		}
		kept, err := os.ReadFile(files[1])
		if err != nil {
			t.Fatal(err)
		}
		theirs := filepath.Join(t.TempDir(), "a.pack")
		if err := os.WriteFile(theirs, kept, 0o644); err != nil {
			t.Fatal(err)
		}
		gitIn(t, dir, "", "index-pack", "--strict", theirs)
		want, err := os.ReadFile(strings.TrimSuffix(theirs, "pack") + "idx")
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(ours, want) {
			t.Errorf("%q: the index is not the one that git index-pack writes", options)
		}
		readAll(t, dir, names)
	}
}

// oddReader gives 1, 2, 3, ... 97 bytes at a time, and begins anew.
type oddReader struct {
	r io.Reader
	n int
}

func (o *oddReader) Read(p []byte) (int, error) {
	o.n = o.n%97 + 1
	return o.r.Read(p[:min(o.n, len(p))])
}

// readAll reads every object back by both ways.
func readAll(t *testing.T, dir string, names []string) {
	t.Helper()
	s, err := pack.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	for _, name := range names {
		h := plumbing.NewHash(name)
		kind, content, err := s.Read(h)
		if err != nil || plumbing.ComputeHash(kind, content) != h || !s.Has(h) {
			t.Errorf("%s: %v", name, err)
		}
		if kind != plumbing.BlobObject {
			continue
		}
		var b bytes.Buffer
		if n, err := s.WriteBlob(&b, h); err != nil || n != int64(len(content)) || !bytes.Equal(b.Bytes(), content) {
			t.Errorf("%s: %d, %v", name, n, err)
		}
	}
	h := plumbing.NewHash(names[0])
	found, err := s.Prefix(names[0][:7])
	if diff := cmp.Diff([]plumbing.Hash{h}, found); diff != "" || err != nil {
		t.Error(err, diff)
	}
	if _, _, err := s.Read(plumbing.NewHash(strings.Repeat("1", 40))); !errors.Is(err, pack.ErrNotFound) {
		t.Error(err)
	}
}

// Whatever bit is turned and wherever the stream is cut, nothing is stored.
func TestIndexRefusesDamage(t *testing.T) {
	t.Parallel()
	packed, _ := samplePack(t, 5000, "--delta-base-offset")
	try := func(what string, damaged []byte) {
		dir := t.TempDir()
		err := pack.Index(t.Context(), bytes.NewReader(damaged), dir, pack.Options{})
		if _, ok := errors.AsType[*pack.DamagedError](err); !ok {
			t.Errorf("%s: %v", what, err)
		}
		if files, err := os.ReadDir(dir); len(files) > 0 || err != nil {
			t.Errorf("%s: left %v, %v", what, files, err)
		}
	}
	for i := 0; i < len(packed); i += len(packed) / 20 {
		try("cut", packed[:i])
		damaged := bytes.Clone(packed)
		damaged[i] ^= 0x10
		try("bit", damaged)
	}
	try("cut at the end", packed[:len(packed)-1])
	try("more after the end", append(bytes.Clone(packed), 0))
}

// A pack whose deltas stand on objects elsewhere is refused, unless they are
// at hand; then what is stored stands alone, as git sees it too.
func TestIndexThinPack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	gitIn(t, dir, "", "init", "-q")
	text := strings.Repeat("line\n", 500)
	for _, tail := range []string{"one", "two"} {
		if err := os.WriteFile(filepath.Join(dir, "f"), []byte(text+tail), 0o644); err != nil {
			t.Fatal(err)
		}
		gitIn(t, dir, "", "add", "-A")
		gitIn(t, dir, "", "commit", "-q", "-m", tail)
	}
	thin := gitIn(t, dir, "HEAD\n^HEAD~1\n", "pack-objects", "-q", "--revs", "--thin", "--stdout")
	err := pack.Index(t.Context(), strings.NewReader(thin), t.TempDir(), pack.Options{})
	if _, ok := errors.AsType[*pack.DamagedError](err); !ok {
		t.Error(err)
	}
	store := t.TempDir()
	whole := gitIn(t, dir, "HEAD~1\n", "pack-objects", "-q", "--revs", "--stdout")
	if err := pack.Index(t.Context(), strings.NewReader(whole), store, pack.Options{}); err != nil {
		t.Fatal(err)
	}
	s, err := pack.Open(store)
	if err != nil {
		t.Fatal(err)
	}
	alone := t.TempDir()
	if err := pack.Index(t.Context(), strings.NewReader(thin), alone, pack.Options{Base: s.Read}); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	files, err := filepath.Glob(filepath.Join(alone, "*.pack"))
	if err != nil || len(files) != 1 {
		t.Fatal(err, files)
	}
	gitIn(t, alone, "", "verify-pack", files[0])
	readAll(t, alone, strings.Fields(gitIn(t, dir, "", "rev-parse", "HEAD", "HEAD^{tree}", "HEAD:f")))
}

func TestIndexEnds(t *testing.T) {
	t.Parallel()
	packed, _ := samplePack(t, 5000)
	broken := errors.New("no more network")
	err := pack.Index(t.Context(), io.MultiReader(bytes.NewReader(packed[:1500]), iotest.ErrReader(broken)), t.TempDir(), pack.Options{})
	if !errors.Is(err, broken) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := pack.Index(ctx, bytes.NewReader(packed), t.TempDir(), pack.Options{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	full := errors.New("disk full")
	err = pack.Index(t.Context(), bytes.NewReader(packed), t.TempDir(), pack.Options{
		Blob: func(plumbing.Hash, []byte) error { return full },
	})
	if !errors.Is(err, full) {
		t.Error(err)
	}
}

func FuzzIndex(f *testing.F) {
	packed, _ := samplePack(f, 100, "--delta-base-offset")
	f.Add(packed)
	f.Add([]byte("PACK\x00\x00\x00\x02\x00\x00\x00\x00"))
	// A blob that claims to be huge, a delta on itself, a delta before the pack.
	f.Add([]byte("PACK\x00\x00\x00\x02\x00\x00\x00\x01\xbf\xff\xff\xff\xff\x7f\x78\x9c\x03\x00"))
	f.Add([]byte("PACK\x00\x00\x00\x02\x00\x00\x00\x01\x61\x00\x78\x9c\x03\x00"))
	f.Add([]byte("PACK\x00\x00\x00\x02\x00\x00\x00\x01\x61\x7f\x78\x9c\x03\x00"))
	// Blobs that come stored, in blocks of both kinds, and in very many empty ones.
	for _, z := range []string{"--compression=0", "--compression=1"} {
		packed, _ := samplePack(f, 3000, z)
		f.Add(packed)
	}
	f.Add(onePack(0x30|5, zlibOf(strings.Repeat("\x00\x00\x00\xff\xff", 500_000), "hello")))
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		err := pack.Index(t.Context(), bytes.NewReader(data), dir, pack.Options{})
		files, dirErr := os.ReadDir(dir)
		if dirErr != nil {
			t.Fatal(dirErr)
		}
		if err != nil && len(files) > 0 {
			t.Errorf("%v, and %v is left", err, files)
		}
		if err == nil && len(files) > 0 {
			readable(t, dir)
		}
	})
}

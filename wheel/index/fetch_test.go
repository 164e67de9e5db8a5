package index_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/wheel/index"
)

// onDisk counts the bytes of finished and unfinished files.
func onDisk(t *testing.T, dir string) (total int64) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(dir, "sha256"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		total += info.Size()
	}
	return total
}

// depot serves files by their sha256, sent bytes counted, at a given pace.
type depot struct {
	*httptest.Server
	pins []index.Pin
	sent atomic.Int64
}

func newDepot(t testing.TB, sizes []int, pace time.Duration) *depot {
	t.Helper()
	d := &depot{}
	files := map[string][]byte{}
	d.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, ok := files[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		http.ServeContent(&pacedWriter{w, &d.sent, pace, r.Context()}, r, "", time.Time{}, bytes.NewReader(body))
	}))
	t.Cleanup(d.Close)
	for i, size := range sizes {
		body := content(size, byte(i+1))
		pin := pinOf(fmt.Sprintf("%s/%d", d.URL, i), body)
		pin.Name, pin.File = fmt.Sprintf("tiny%d", i), fmt.Sprintf("tiny%d-1-py3-none-any.whl", i)
		files[fmt.Sprintf("/%d", i)] = body
		d.pins = append(d.pins, pin)
	}
	return d
}

// pacedWriter sends 32 KiB at a time with a pause after each.
type pacedWriter struct {
	http.ResponseWriter
	n    *atomic.Int64
	pace time.Duration
	ctx  context.Context // of the request that it answers
}

func (w *pacedWriter) Write(b []byte) (int, error) {
	n, err := w.ResponseWriter.Write(b)
	w.n.Add(int64(n))
	if w.pace > 0 {
		select {
		case <-w.ctx.Done():
		case <-time.After(w.pace):
		}
	}
	return n, err
}

func TestFetchReportsAllFailures(t *testing.T) {
	t.Parallel()
	d := newDepot(t, []int{3000, 2000, 1000}, 0)
	bad := d.pins[0]
	bad.SHA256, bad.File = sumA, "bad-1-py3-none-any.whl"
	gone := d.pins[1]
	gone.SHA256, gone.URL, gone.File = sumB, d.URL+"/nowhere", "gone-1-py3-none-any.whl"
	dir := t.TempDir()
	var last index.Progress
	done, err := client().Fetch(t.Context(), []index.Pin{gone, bad, d.pins[2], d.pins[2]}, dir, 2, func(p index.Progress) { last = p })
	if _, ok := errors.AsType[*index.MismatchError](err); !ok {
		t.Errorf("no mismatch in %v", err)
	}
	if _, ok := errors.AsType[*index.GoneError](err); !ok {
		t.Errorf("no gone file in %v", err)
	}
	if g, b := strings.Index(err.Error(), "gone-1"), strings.Index(err.Error(), "bad-1"); g < 0 || b < g {
		t.Errorf("not in the order of the pins: %v", err)
	}
	if !d.pins[2].Present(dir) {
		t.Error("two failures stopped the third file")
	}
	if last.Files != 3 || last.FilesDone != 1 || done.Files != 3 {
		t.Errorf("progress ends at %+v, result %+v", last, done)
	}
}

func TestFetchProgress(t *testing.T) {
	t.Parallel()
	d := newDepot(t, []int{300000, 200000, 100000}, 0)
	pins := append([]index.Pin(nil), d.pins...)
	pins[1].Size = 0 // not pinned: learned on the way
	dir := t.TempDir()
	var last index.Progress
	if _, err := client().Fetch(t.Context(), pins[:1], dir, 1, nil); err != nil {
		t.Fatal(err)
	}
	done, err := client().Fetch(t.Context(), pins, dir, 3, func(p index.Progress) {
		if p.BytesDone < last.BytesDone || p.BytesDone > p.Bytes && p.Bytes >= 600000 {
			t.Errorf("progress goes from %+v to %+v", last, p)
		}
		last = p
	})
	if err != nil {
		t.Fatal(err)
	}
	want := index.Progress{Files: 3, FilesDone: 3, Bytes: 600000, BytesDone: 600000, Received: 300000, File: last.File}
	if diff := cmp.Diff(want, last); diff != "" {
		t.Errorf("last progress (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(index.Fetched{Files: 3, Present: 1, Bytes: 600000, Received: 300000}, done); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
}

func TestFetchCancelled(t *testing.T) {
	t.Parallel()
	d := newDepot(t, []int{8 << 20, 8 << 20}, 5*time.Millisecond)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	dir := t.TempDir()
	_, err := client().Fetch(ctx, d.pins, dir, 2, func(p index.Progress) {
		if p.BytesDone > 100000 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
	if here := onDisk(t, dir); here < 100000 {
		t.Errorf("%d bytes are kept for the next run", here)
	}
}

func TestFetchDoesNotFit(t *testing.T) {
	t.Parallel()
	d := newDepot(t, []int{1000}, 0)
	pin := d.pins[0]
	pin.Size = 1 << 60
	dir := filepath.Join(t.TempDir(), "not", "yet")
	_, err := client().Fetch(t.Context(), []index.Pin{pin}, dir, 2, nil)
	if e, ok := errors.AsType[*index.SpaceError](err); !ok || e.Need != 1<<60 || e.Free <= 0 {
		t.Errorf("error is %v", err)
	}
	if d.sent.Load() != 0 {
		t.Error("something was fetched all the same")
	}
}

func TestFetchReadOnlyStore(t *testing.T) {
	t.Parallel()
	if os.Geteuid() == 0 { // root writes everywhere
		asNobody(t)
		return
	}
	d := newDepot(t, []int{1000, 2000}, 0)
	dir := t.TempDir()
	if _, err := client().Fetch(t.Context(), d.pins[:1], dir, 2, nil); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, "sha256"), 0o555); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(filepath.Join(dir, "sha256"), 0o755) }) // else t.TempDir's own fails
	if _, err := client().Fetch(t.Context(), d.pins[:1], dir, 2, nil); err != nil {
		t.Errorf("what is here needs no writing: %v", err)
	}
	if _, err := client().Fetch(t.Context(), d.pins, dir, 2, nil); !errors.Is(err, os.ErrPermission) {
		t.Errorf("error is %v", err)
	}
}

// asNobody runs the test in a process of an ordinary user.
func asNobody(t *testing.T) {
	t.Helper()
	dir, err := os.MkdirTemp("", "sparkwheel-nobody-*") // t.TempDir is in one that nobody may not enter
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	program := filepath.Join(dir, "test")
	if out, err := exec.CommandContext(t.Context(), "cp", os.Args[0], program).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := os.Chown(dir, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Dir, cmd.Env = dir, []string{"TMPDIR=" + dir, "HOME=" + dir}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("as nobody: %v\n%s", err, out)
	}
}

// TestFetchTogether lets many fetch the same: one brings, all have it.
func TestFetchTogether(t *testing.T) {
	t.Parallel()
	d := newDepot(t, []int{1 << 20, 1 << 19}, time.Millisecond)
	dir := t.TempDir()
	errs := make(chan error)
	for range 6 {
		go func() {
			_, err := client().Fetch(t.Context(), d.pins, dir, 2, nil)
			errs <- err
		}()
	}
	for range 6 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if sent := d.sent.Load(); sent != 1<<20+1<<19 {
		t.Errorf("%d bytes were sent", sent)
	}
	entries, err := os.ReadDir(filepath.Join(dir, "sha256"))
	if err != nil || len(entries) != 2 {
		t.Errorf("%d files in the store: %v", len(entries), err)
	}
}

// TestMemoryStaysFlat downloads much more than it may hold.
func TestMemoryStaysFlat(t *testing.T) {
	const blocks = 48
	block := content(1<<20, 1)
	sum := sha256.New()
	for range blocks {
		sum.Write(block)
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(blocks<<20))
		for range blocks {
			w.Write(block)
		}
	}))
	t.Cleanup(s.Close)
	pin := index.Pin{Name: "tiny", File: "tiny-1-py3-none-any.whl", URL: s.URL, SHA256: hex.EncodeToString(sum.Sum(nil)), Size: blocks << 20}
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	looks, last := 0, int64(0)
	if _, err := client().Download(t.Context(), pin, t.TempDir(), func(done, _ int64) {
		if done-last < 8<<20 {
			return
		}
		last = done
		looks++
		runtime.ReadMemStats(&now)
		if now.HeapAlloc > before.HeapAlloc+16<<20 {
			t.Errorf("%d MB of heap for a stream", (now.HeapAlloc-before.HeapAlloc)>>20)
		}
	}); err != nil {
		t.Fatal(err)
	}
	if looks < 5 {
		t.Errorf("memory was looked at %d times only", looks)
	}
}

func BenchmarkDownload(b *testing.B) {
	d := newDepot(b, []int{64 << 20}, 0)
	b.SetBytes(64 << 20)
	dir := b.TempDir()
	for b.Loop() {
		path, err := client().Download(b.Context(), d.pins[0], dir, nil)
		if err != nil {
			b.Fatal(err)
		}
		if err := os.Remove(path); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFetchPresent is a second run over 200 files that are here.
func BenchmarkFetchPresent(b *testing.B) {
	sizes := make([]int, 200)
	for i := range sizes {
		sizes[i] = 100 + i
	}
	d := newDepot(b, sizes, 0)
	dir := b.TempDir()
	if _, err := client().Fetch(b.Context(), d.pins, dir, 4, nil); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := client().Fetch(b.Context(), d.pins, dir, 4, nil); err != nil {
			b.Fatal(err)
		}
	}
}

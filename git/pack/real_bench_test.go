package pack_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/storage/filesystem"

	"github.com/sparkwheel/sparkwheel/git/pack"
)

// BenchmarkRealPack stores the pack of a real repository with its index, and
// reads the files of HEAD out of it, as this package and as go-git do. Give
// SPARKWHEEL_PACK the .git directory of a repository with one pack, and run one
// of them in a process: peak-MB is the most that the process ever held.
func BenchmarkRealPack(b *testing.B) {
	dir := os.Getenv("SPARKWHEEL_PACK")
	if dir == "" {
		b.Skip("SPARKWHEEL_PACK is not set")
	}
	packs, err := filepath.Glob(filepath.Join(dir, "objects/pack/*.pack"))
	if err != nil || len(packs) != 1 {
		b.Fatalf("%d packs in %s: %v", len(packs), dir, err)
	}
	info, err := os.Stat(packs[0])
	if err != nil {
		b.Fatal(err)
	}
	blobs := blobsOfHead(b, dir)
	for _, with := range []struct {
		name  string
		index func(to string, r io.Reader) error
		read  func(from string, blobs []plumbing.Hash, w io.Writer) (int64, error)
	}{{"ours", indexOurs, readOurs}, {"go-git", indexTheirs, readTheirs}} {
		b.Run("index/"+with.name, func(b *testing.B) {
			b.SetBytes(info.Size())
			before, _ := used(b)
			for b.Loop() {
				to := filepath.Join(b.TempDir(), "repo.git")
				storePack(b, packs[0], to, with.index)
			}
			report(b, before)
		})
		b.Run("read/"+with.name, func(b *testing.B) {
			to := filepath.Join(b.TempDir(), "repo.git")
			storePack(b, packs[0], to, with.index)
			before, _ := used(b)
			for b.Loop() {
				n, err := with.read(to, blobs, io.Discard)
				if err != nil {
					b.Fatal(err)
				}
				b.SetBytes(n)
			}
			report(b, before)
		})
	}
}

func indexOurs(to string, r io.Reader) error {
	return pack.Index(context.Background(), r, filepath.Join(to, "objects/pack"), pack.Options{})
}

func readOurs(from string, blobs []plumbing.Hash, w io.Writer) (total int64, err error) {
	s, err := pack.Open(filepath.Join(from, "objects/pack"))
	if err != nil {
		return 0, err
	}
	defer s.Close()
	for _, h := range blobs {
		n, err := s.WriteBlob(w, h)
		total += n
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

func storePack(b *testing.B, from, to string, index func(string, io.Reader) error) {
	b.Helper()
	if err := os.MkdirAll(filepath.Join(to, "objects/pack"), 0o755); err != nil {
		b.Fatal(err)
	}
	f, err := os.Open(from)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	if err := index(to, f); err != nil {
		b.Fatal(err)
	}
}

func indexTheirs(to string, r io.Reader) error {
	return packfile.UpdateObjectStorage(filesystem.NewStorage(osfs.New(to), cache.NewObjectLRUDefault()), r)
}

func readTheirs(from string, blobs []plumbing.Hash, w io.Writer) (total int64, err error) {
	s := filesystem.NewStorage(osfs.New(from), cache.NewObjectLRUDefault())
	for _, h := range blobs {
		o, err := s.EncodedObject(plumbing.BlobObject, h)
		if err != nil {
			return total, err
		}
		r, err := o.Reader()
		if err != nil {
			return total, err
		}
		n, err := io.Copy(w, r)
		total += n
		if err := r.Close(); err != nil {
			return total, err
		}
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

// blobsOfHead are the files of HEAD in the order of their paths.
func blobsOfHead(b *testing.B, dir string) (blobs []plumbing.Hash) {
	b.Helper()
	out, err := exec.Command("git", "--git-dir", dir, "ls-tree", "-r", "HEAD").Output()
	if err != nil {
		b.Fatal(err)
	}
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		if f := strings.Fields(lines.Text()); f[1] == "blob" {
			blobs = append(blobs, plumbing.NewHash(f[2]))
		}
	}
	return blobs
}

// used are the processor seconds and the most memory that this process has had.
func used(b *testing.B) (seconds, peakMB float64) {
	b.Helper()
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		b.Fatal(err)
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano()).Seconds(), float64(use.Maxrss) / 1024
}

func report(b *testing.B, before float64) {
	b.Helper()
	seconds, peak := used(b)
	b.ReportMetric((seconds-before)/float64(b.N), "cpu-s/op")
	b.ReportMetric(peak, "peak-MB")
}

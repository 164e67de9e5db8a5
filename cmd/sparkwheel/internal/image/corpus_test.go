package image

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"
)

// The made corpus: as many wheels, files and bytes as an image of this kind has
// in its middle, of real code from this machine.
const (
	corpusWheels = 40
	corpusSmall  = 342      // source files a wheel
	corpusELF    = 27 << 20 // bytes of shared objects a wheel
)

// makeCorpus writes the wheels of the made corpus into dir.
func makeCorpus(tb testing.TB, dir string) []string {
	tb.Helper()
	objects := filesOf([]string{"/usr/lib", "/usr/bin", "/usr/local", "/opt"}, 200<<10, isELF, corpusWheels*corpusELF)
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		tb.Skipf("asking go for its sources: %v", err)
	}
	sources := filesOf([]string{filepath.Join(strings.TrimSpace(string(goroot)), "src")}, 200,
		func(path string) bool { return strings.HasSuffix(path, ".go") }, 1<<62)
	if len(objects) == 0 || len(sources) < corpusSmall {
		tb.Skipf("this machine has %d shared objects and %d sources: too few for a corpus", len(objects), len(sources))
	}
	wheels := make([]string, corpusWheels)
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i := range wheels {
		wheels[i] = filepath.Join(dir, fmt.Sprintf("corpus_%02d-1.0-py3-none-any.whl", i))
		g.Go(func() error { return makeWheel(wheels[i], i, objects, sources) })
	}
	if err := g.Wait(); err != nil {
		tb.Fatal(err)
	}
	return wheels
}

// filesOf lists files that fit below the directories, until they hold enough bytes.
func filesOf(dirs []string, least int64, fits func(string) bool, enough int64) (found []string) {
	var size int64
	for _, dir := range dirs {
		_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() || size > enough {
				return nil // what cannot be read is no part of the corpus
			}
			info, err := d.Info()
			if err == nil && info.Size() >= least && info.Size() <= 4<<20 && fits(path) {
				found, size = append(found, path), size+info.Size()
			}
			return nil
		})
	}
	return found
}

func isELF(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	var magic [4]byte
	_, err = io.ReadFull(f, magic[:])
	return err == nil && string(magic[:]) == "\x7fELF"
}

func makeWheel(path string, i int, objects, sources []string) error {
	var buf, record bytes.Buffer
	w := zip.NewWriter(&buf)
	w.RegisterCompressor(zip.Deflate, func(out io.Writer) (io.WriteCloser, error) { return flate.NewWriter(out, 6) })
	add := func(name string, content []byte) error {
		f, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate})
		if err != nil {
			return err
		}
		sum := sha256.Sum256(content)
		fmt.Fprintf(&record, "%s,sha256=%s,%d\n", name, base64.RawURLEncoding.EncodeToString(sum[:]), len(content))
		_, err = f.Write(content)
		return err
	}
	name := fmt.Sprintf("corpus_%02d", i)
	for n := range corpusSmall {
		content, err := os.ReadFile(sources[(i*corpusSmall+n)%len(sources)])
		if err != nil {
			return err
		}
		if err := add(fmt.Sprintf("%s/m%03d.py", name, n), content); err != nil {
			return err
		}
	}
	for size, n := 0, 0; size < corpusELF; n++ {
		content, err := os.ReadFile(objects[(i+n*corpusWheels)%len(objects)])
		if err != nil {
			return err
		}
		if err := add(fmt.Sprintf("%s/lib%d.so", name, n), content); err != nil {
			return err
		}
		size += len(content)
	}
	info := name + "-1.0.dist-info/"
	for file, text := range map[string]string{
		"METADATA": "Metadata-Version: 2.1\nName: " + name + "\nVersion: 1.0\n",
		"WHEEL":    "Wheel-Version: 1.0\nGenerator: corpus\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
	} {
		if err := add(info+file, []byte(text)); err != nil {
			return err
		}
	}
	f, err := w.Create(info + "RECORD")
	if err != nil {
		return err
	}
	fmt.Fprintf(&record, "%sRECORD,,\n", info)
	if _, err := record.WriteTo(f); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return os.WriteFile(path, buf.Bytes(), 0o644)
}

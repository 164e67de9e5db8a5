package layer_test

import (
	"archive/zip"
	"compress/flate"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
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

// corpus is the wheels' paths; made once, in parallel, and removed by TestMain.
var corpus = sync.OnceValues(func() ([]string, error) {
	dir, err := os.MkdirTemp("", "sparkwheel-corpus-")
	if err != nil {
		return nil, err
	}
	corpusDir = dir
	objects, err := filesOf([]string{"/usr/lib", "/usr/bin", "/usr/local", "/opt"}, 200<<10, isELF, corpusWheels*corpusELF)
	if err != nil {
		return nil, err
	}
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("asking go for its sources: %w", err)
	}
	sources, err := filesOf([]string{filepath.Join(strings.TrimSpace(string(goroot)), "src")}, 200, isSource, 1<<62)
	if err != nil {
		return nil, err
	}
	if len(objects) == 0 || len(sources) < corpusSmall {
		return nil, fmt.Errorf("this machine has %d shared objects and %d sources: too few for a corpus", len(objects), len(sources))
	}
	wheels := make([]string, corpusWheels)
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i := range wheels {
		wheels[i] = filepath.Join(dir, fmt.Sprintf("corpus_%02d-1.0-py3-none-any.whl", i))
		g.Go(func() error { return makeWheel(wheels[i], i, objects, sources) })
	}
	return wheels, g.Wait()
})

var corpusDir string

func TestMain(m *testing.M) {
	code := m.Run()
	if corpusDir != "" {
		os.RemoveAll(corpusDir)
	}
	os.Exit(code)
}

// filesOf lists files that fit below the directories, until they hold enough bytes.
func filesOf(dirs []string, least int64, fits func(string) bool, enough int64) ([]string, error) {
	var found []string
	var size int64
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() || size > enough {
				return nil //nolint:nilerr // what cannot be read is no part of the corpus
			}
			info, err := d.Info()
			if err != nil || info.Size() < least || info.Size() > 4<<20 || !fits(path) {
				return nil //nolint:nilerr // as above
			}
			found, size = append(found, path), size+info.Size()
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

func isSource(path string) bool { return strings.HasSuffix(path, ".go") }

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

func makeWheel(path string, i int, objects, sources []string) (err error) {
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	defer out.Close()
	w := zip.NewWriter(out)
	w.RegisterCompressor(zip.Deflate, func(out io.Writer) (io.WriteCloser, error) { return flate.NewWriter(out, 6) })
	add := func(name, source string) (int64, error) {
		b, err := os.ReadFile(source)
		if err != nil {
			return 0, err
		}
		f, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Comment: fmt.Sprintf("%x", sha256.Sum256(b))})
		if err != nil {
			return 0, err
		}
		n, err := f.Write(b)
		return int64(n), err
	}
	top := fmt.Sprintf("usr/local/lib/python3.12/dist-packages/corpus_%02d", i)
	for n := range corpusSmall {
		if _, err := add(fmt.Sprintf("%s/m%03d.py", top, n), sources[(i*corpusSmall+n)%len(sources)]); err != nil {
			return err
		}
	}
	for size, n := int64(0), 0; size < corpusELF; n++ {
		got, err := add(fmt.Sprintf("%s/lib%d.so", top, n), objects[(i+n*corpusWheels)%len(objects)])
		if err != nil {
			return err
		}
		size += got
	}
	return w.Close()
}

// wheelTree is a wheel of the corpus as Write sees it.
type wheelTree struct {
	*zip.ReadCloser
	files map[string]*zip.File
}

func openWheel(path string) (*wheelTree, error) {
	r, err := zip.OpenReader(path)
	if err != nil {
		return nil, err
	}
	w := &wheelTree{r, make(map[string]*zip.File, len(r.File))}
	for _, f := range r.File {
		w.files[f.Name] = f
	}
	return w, nil
}

func (w *wheelTree) Open(name string) (fs.File, error) {
	f, err := w.ReadCloser.Open(name)
	zf := w.files[name]
	if err != nil || zf == nil {
		return f, err
	}
	return wheelFile{f, zf}, nil
}

type wheelFile struct {
	fs.File
	zf *zip.File
}

func (f wheelFile) Deflate() (io.Reader, uint32, []byte, error) {
	raw, err := f.zf.OpenRaw()
	if err != nil {
		return nil, 0, nil, err
	}
	var sum []byte
	_, err = fmt.Sscanf(f.zf.Comment, "%x", &sum)
	return raw, f.zf.CRC32, sum, err
}

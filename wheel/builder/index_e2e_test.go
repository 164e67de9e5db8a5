package builder

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/sparkwheel/sparkwheel/wheel"
	"github.com/sparkwheel/sparkwheel/wheel/index"
)

// needs skips a test that brings things from the Python index, unless one of
// the variables asks for it.
func needs(t *testing.T, variables ...string) {
	t.Helper()
	for _, v := range variables {
		if os.Getenv(v) != "" {
			return
		}
	}
	t.Skipf("asks the Python index; set %s=1 to run", variables[0])
}

const (
	e2e     = "SPARKWHEEL_E2E"
	realRun = "SPARKWHEEL_E2E_REAL"
)

// shop brings pinned files from the user's index into one directory that all
// tests share.
type shop struct {
	client *index.Client
	dir    string
	python string // "3.11", of /usr/bin/python3
}

func openShop(t *testing.T) *shop {
	t.Helper()
	s := index.Settings{UVDefaultIndex: os.Getenv("UV_DEFAULT_INDEX"), UVIndexURL: os.Getenv("UV_INDEX_URL"), PIPIndexURL: os.Getenv("PIP_INDEX_URL")}
	for _, path := range index.PipConfPaths(os.Getenv("HOME"), os.Getenv("XDG_CONFIG_HOME"), os.Getenv("PIP_CONFIG_FILE")) {
		if data, err := os.ReadFile(path); err == nil {
			s.PipConf = append(s.PipConf, index.ConfFile{Name: path, Data: data})
		}
	}
	url, _, err := s.Index()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "/usr/bin/python3", "-c", "import sys; print('%d.%d' % sys.version_info[:2])").Output()
	if err != nil {
		t.Skipf("needs /usr/bin/python3: %v", err)
	}
	dir := filepath.Join(os.TempDir(), "sparkwheel-e2e")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return &shop{client: &index.Client{Index: url}, dir: dir, python: strings.TrimSpace(string(out))}
}

func (s *shop) bring(t *testing.T, name string, f index.File, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	file, err := s.client.Download(t.Context(), f.Pin(name), s.dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func (s *shop) files(t *testing.T, name string) []index.File {
	t.Helper()
	files, err := s.client.Files(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// wheels brings wheels named NAME==VERSION, as Spec.Wheels has them.
func (s *shop) wheels(t *testing.T, names ...string) map[string]string {
	t.Helper()
	machine := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[runtime.GOARCH]
	tags := wheel.Supported(s.python, wheel.Platforms(36, machine))
	got := map[string]string{}
	for _, pin := range names {
		name, version, _ := strings.Cut(pin, "==")
		f, err := index.Wheel(name, version, s.files(t, name), tags)
		got[f.Name] = s.bring(t, name, f, err)
	}
	return got
}

// uv brings the uv binary.
func (s *shop) uv(t *testing.T) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "uv")
	for _, file := range s.wheels(t, "uv==0.13.9") {
		z, err := zip.OpenReader(file)
		if err != nil {
			t.Fatal(err)
		}
		defer z.Close()
		src, err := z.Open("uv-0.13.9.data/scripts/uv")
		if err != nil {
			t.Fatal(err)
		}
		dst, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE, 0o755)
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.Copy(dst, src)
		if err := errors.Join(err, dst.Close()); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

// sdist brings a source distribution and unpacks it with its stored modes.
func (s *shop) sdist(t *testing.T, name, version string) string {
	t.Helper()
	f, err := index.Sdist(name, version, s.files(t, name))
	file, err := os.Open(s.bring(t, name, f, err))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	gz, err := gzip.NewReader(bufio.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for r := tar.NewReader(gz); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag != tar.TypeReg || !filepath.IsLocal(h.Name) {
			continue
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, h.Name), string(text), h.FileInfo().Mode().Perm())
	}
	return filepath.Join(dir, strings.TrimSuffix(f.Name, ".tar.gz"))
}

package builder

import (
	"archive/zip"
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/sparkwheel/sparkwheel/requirements"
	"github.com/sparkwheel/sparkwheel/wheel"
)

// Shim stands for a distribution that is asked for and hardly used: a wheel of
// that name and version with the files given, and no requirements.
type Shim struct {
	Name, Version string
	Summary       string            // of METADATA; "" says that it is a shim
	Files         map[string]string // path in site-packages -> content
	Info          map[string]string // further files of its dist-info
}

var (
	shimName    = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$`)
	shimVersion = regexp.MustCompile(`^[A-Za-z0-9.!+_]+$`)
)

// Write makes the shim's wheel in dir and returns its file name. The same shim
// gives the same bytes.
func (s Shim) Write(dir string) (_ string, err error) {
	if !shimName.MatchString(s.Name) || !shimVersion.MatchString(s.Version) {
		return "", fmt.Errorf("%q %q is not the name and version of a distribution", s.Name, s.Version)
	}
	stem := strings.ReplaceAll(string(requirements.Normalize(s.Name)), "-", "_") + "-" + s.Version
	info := stem + ".dist-info/"
	summary := cmp.Or(s.Summary, "a shim of sparkwheel's")
	if strings.ContainsAny(summary, "\r\n") {
		return "", fmt.Errorf("summary %q is not one line", summary)
	}
	files := map[string]string{
		info + "METADATA": fmt.Sprintf("Metadata-Version: 2.1\nName: %s\nVersion: %s\nSummary: %s\n", s.Name, s.Version, summary),
		info + "WHEEL":    "Wheel-Version: 1.0\nGenerator: sparkwheel\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
	}
	for p, text := range s.Files {
		if !filepath.IsLocal(p) || p != filepath.ToSlash(filepath.Clean(p)) || strings.Contains(p, ".dist-info/") {
			return "", fmt.Errorf("file %q: not a clean path in site-packages", p)
		}
		files[p] = text
	}
	for name, text := range s.Info {
		if files[info+name] != "" || name == "RECORD" || !filepath.IsLocal(name) || filepath.Base(name) != name {
			return "", fmt.Errorf("file %q: cannot be added to a dist-info", name)
		}
		files[info+name] = text
	}
	name := stem + "-py3-none-any.whl"
	return name, writeShim(filepath.Join(dir, name), files, info+"RECORD")
}

func writeShim(file string, files map[string]string, record string) (err error) {
	names := slices.Sorted(maps.Keys(files))
	var rows wheel.Record
	for _, name := range names {
		sum := sha256.New()
		sum.Write([]byte(files[name]))
		rows = append(rows, wheel.HashEntry(name, sum, int64(len(files[name]))))
	}
	rows = append(rows, wheel.Entry{Path: record, Size: -1})
	files[record] = string(rows.Append(nil))

	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	zw := zip.NewWriter(f)
	for _, name := range append(names, record) {
		h := &zip.FileHeader{Name: name, Method: zip.Store}
		h.SetMode(0o644)
		m, err := zw.CreateHeader(h)
		if err != nil {
			return err
		}
		if _, err := m.Write([]byte(files[name])); err != nil {
			return err
		}
	}
	return zw.Close()
}

// Package wheeltest makes wheels for tests: a sound one in a line, or one that
// lies in a chosen place.
//
// New fills in METADATA, WHEEL and RECORD; change the Wheel, then Write it.
package wheeltest

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Wheel is a wheel to be written. Its members stand in the archive in their
// order, RECORD after all of them.
type Wheel struct {
	File    string // base name of the wheel file
	Members []*Member
	// Record changes the text of RECORD before it is written; nil keeps it.
	Record func(string) string
	// NoRecord leaves RECORD out.
	NoRecord bool
	// Bytes changes the whole archive before it is written; nil keeps it.
	Bytes func([]byte) []byte
	// Comment is that of the archive.
	Comment string
	// End changes the end of central directory record; nil keeps it.
	End func(*End)
}

// New is a sound wheel called file with members given as path, content, path,
// content…; a path that ends in a slash is a directory. METADATA and WHEEL are
// made of the file name where they are not given.
func New(file string, members ...string) *Wheel {
	w := &Wheel{File: file}
	for i := 0; i+1 < len(members); i += 2 {
		w.Add(members[i], members[i+1])
	}
	parts := strings.Split(strings.TrimSuffix(file, ".whl"), "-")
	if len(parts) < 5 {
		return w
	}
	tags := strings.Join(parts[len(parts)-3:], "-")
	if w.Find(w.DistInfo()+"METADATA") == nil {
		w.Add(w.DistInfo()+"METADATA", fmt.Sprintf("Metadata-Version: 2.1\nName: %s\nVersion: %s\n\nA wheel for tests.\n", parts[0], parts[1]))
	}
	if w.Find(w.DistInfo()+"WHEEL") == nil {
		var b strings.Builder
		fmt.Fprintf(&b, "Wheel-Version: 1.0\nGenerator: wheeltest\nRoot-Is-Purelib: %v\n", strings.HasSuffix(tags, "-any"))
		for python := range strings.SplitSeq(parts[len(parts)-3], ".") {
			for platform := range strings.SplitSeq(parts[len(parts)-1], ".") {
				fmt.Fprintf(&b, "Tag: %s-%s-%s\n", python, parts[len(parts)-2], platform)
			}
		}
		w.Add(w.DistInfo()+"WHEEL", b.String())
	}
	return w
}

// DistInfo is the wheel's dist-info directory with its slash.
func (w *Wheel) DistInfo() string { return w.stem() + ".dist-info/" }

// Data is the wheel's data directory with its slash.
func (w *Wheel) Data() string { return w.stem() + ".data/" }

func (w *Wheel) stem() string {
	parts := strings.SplitN(w.File, "-", 3)
	if len(parts) < 2 {
		return w.File
	}
	return parts[0] + "-" + parts[1]
}

// Add appends a member and returns it, to be changed.
func (w *Wheel) Add(name, content string) *Member {
	m := &Member{Name: name, Content: content, Mode: 0o100644}
	if strings.HasSuffix(name, "/") {
		m.Mode = 0o040755
	}
	w.Members = append(w.Members, m)
	return m
}

// Find returns the first member called name, or nil.
func (w *Wheel) Find(name string) *Member {
	for _, m := range w.Members {
		if m.Name == name {
			return m
		}
	}
	return nil
}

// RecordText is the RECORD that is true of the members.
func (w *Wheel) RecordText() string {
	var b strings.Builder
	for _, m := range w.Members {
		if strings.HasSuffix(m.Name, "/") || m.Unlisted {
			continue
		}
		b.WriteString(Row(m.Name, m.Content))
	}
	return b.String() + w.DistInfo() + "RECORD,,\n"
}

// Row is RECORD's row of a file, with its newline.
func Row(path, content string) string {
	if strings.ContainsAny(path, ",\"\n\r") {
		path = `"` + strings.ReplaceAll(path, `"`, `""`) + `"`
	}
	sum := sha256.Sum256([]byte(content))
	return fmt.Sprintf("%s,sha256=%s,%d\n", path, base64.RawURLEncoding.EncodeToString(sum[:]), len(content))
}

// Pack is the wheel as a file.
func (w *Wheel) Pack() []byte {
	members := w.Members
	if !w.NoRecord && w.Find(w.DistInfo()+"RECORD") == nil {
		text := w.RecordText()
		if w.Record != nil {
			text = w.Record(text)
		}
		members = append(slices.Clip(members), &Member{Name: w.DistInfo() + "RECORD", Content: text, Mode: 0o100644})
	}
	b := archive(members, w.Comment, w.End)
	if w.Bytes != nil {
		b = w.Bytes(b)
	}
	return b
}

// Write writes the wheel into dir and returns its path.
func (w *Wheel) Write(t testing.TB, dir string) string {
	t.Helper()
	path := filepath.Join(dir, w.File)
	if err := os.WriteFile(path, w.Pack(), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

package wheeltest

import (
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// ParseTxtar is the wheel that a txtar file describes: its comment's first line
// is the wheel's file name, each further line an octal mode and a path, or
// "stored" and a path, or "#" and whatever; its files are the members, and
// those that end in a slash are directories.
func ParseTxtar(t testing.TB, file string) *Wheel {
	t.Helper()
	a, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	name, settings, _ := strings.Cut(string(a.Comment), "\n")
	var members []string
	for _, f := range a.Files {
		members = append(members, f.Name, string(f.Data))
	}
	w := New(name, members...)
	for line := range strings.Lines(settings) {
		word, path, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok || word == "#" {
			continue
		}
		m := w.Find(path)
		if m == nil {
			t.Fatalf("%s: no member %q", file, path)
		}
		if word == "stored" {
			m.Stored = true
			continue
		}
		mode, err := strconv.ParseUint(word, 8, 12)
		if err != nil {
			t.Fatalf("%s: %q is no mode", file, word)
		}
		m.Mode = 0o100000 | uint16(mode)
	}
	return w
}

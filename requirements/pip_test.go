package requirements

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// pipLine is what pip makes of a logical line; without a kind, it refuses it.
type pipLine struct {
	Number           int
	Text, Kind, What string
	Hashed           bool
}

func (l *pipLine) UnmarshalJSON(b []byte) error {
	return json.Unmarshal(b, &[]any{&l.Number, &l.Text, &l.Kind, &l.What, &l.Hashed})
}

// ours is the same of an Entry.
func ours(e Entry) pipLine {
	l := pipLine{Number: e.Line, Text: e.Text, Hashed: e.Hashed}
	switch e.Kind {
	case Requires:
		l.Kind, l.What = "requirement", e.spec
	case Editable:
		l.Kind, l.What = "editable", e.spec
	case Include:
		l.Kind, l.What = "include", e.Path
	case Constraint:
		l.Kind, l.What = "constraint", e.Path
	case Option:
		l.Kind = "option"
	}
	return l
}

// TestPipLines compares with what pip itself read; testdata/pip/generate.py
// wrote it. pip judges requirements later than lines, so entries are compared
// before that.
func TestPipLines(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "testdata", "pip", "files.json"))
	if err != nil {
		t.Fatal(err)
	}
	var g struct{ Files [][2]json.RawMessage }
	if err := json.Unmarshal(text, &g); err != nil {
		t.Fatal(err)
	}
	for _, row := range g.Files {
		var encoded string
		var want []pipLine
		if err := errors.Join(json.Unmarshal(row[0], &encoded), json.Unmarshal(row[1], &want)); err != nil {
			t.Fatal(err)
		}
		src, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			t.Fatal(err)
		}
		comparePip(t, src, want, string(row[1]) == "null")
	}
	t.Logf("%d files", len(g.Files))
}

func comparePip(t *testing.T, src []byte, want []pipLine, undecodable bool) {
	t.Helper()
	codec, err := detect("file", src)
	var text string
	if err == nil {
		text, err = codec.decode("file", src)
	}
	if undecodable != (err != nil) {
		t.Errorf("decoding %q: %v, pip refuses it: %t", src, err, undecodable)
	}
	if err != nil {
		return
	}
	if back := codec.encode(text); string(back) != string(src) {
		t.Errorf("%q is encoded again as %q", src, back)
	}
	got := []pipLine{}
	for l := range joinLines(text) {
		if l.text == "" {
			continue
		}
		e, err := readEntry(l)
		if err != nil && e.spec == "" {
			got = append(got, pipLine{Number: e.Line, Text: e.Text})
			continue
		}
		got = append(got, ours(e))
	}
	for i, w := range want {
		want[i].What = strings.TrimFunc(w.What, isSpace) // as pip does when it reads the requirement
		// pip refuses options that it does not know; they are kept here.
		if w.Kind == "" && i < len(got) {
			got[i] = pipLine{Number: got[i].Number, Text: got[i].Text}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%q (-pip +got):\n%s", src, strings.TrimSpace(diff))
	}
}

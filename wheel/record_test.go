package wheel_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/requirements"
	"github.com/sparkwheel/sparkwheel/wheel"
)

func TestRecord(t *testing.T) {
	t.Parallel()
	const text = "b.py,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0\r\n" +
		"\"a,\"\"b\"\".py\",,\n" + "\n" + "B.py,sha512=x,9223372036854775807\n" + "ü/\u00a0.py,sha256=y,1\n"
	record, err := wheel.ParseRecord(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	want := wheel.Record{
		{Path: "b.py", Hash: "sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU", Size: 0},
		{Path: `a,"b".py`, Size: -1},
		{Path: "B.py", Hash: "sha512=x", Size: 1<<63 - 1},
		{Path: "ü/\u00a0.py", Hash: "sha256=y", Size: 1},
	}
	if diff := cmp.Diff(want, record); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	record.Sort()
	const sorted = "B.py,sha512=x,9223372036854775807\n\"a,\"\"b\"\".py\",,\n" +
		"b.py,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0\nü/\u00a0.py,sha256=y,1\n"
	if got := string(record.Append(nil)); got != sorted {
		t.Errorf("got\n%s\nwant\n%s", got, sorted)
	}
}

func TestRecordErrors(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"a,b\n":                     "record on line 1: wrong number of fields",
		"a,,\nb,,x\n":               `parsing RECORD: line 2: size "x" of "b" is not a number of bytes`,
		"a,,\nb,,-1\n":              `size "-1"`,
		"a,,\n\"b,,\n":              "line 2",
		"a,,99999999999999999999\n": "is not a number of bytes",
	} {
		if _, err := wheel.ParseRecord(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
}

func TestParseMetadata(t *testing.T) {
	t.Parallel()
	m, errs := wheel.ParseMetadata(strings.NewReader("Metadata-Version: 2.1\r\nName: Foo.Bar\r\nVersion: 1.0\r\nSummary: one\r\n  two\r\n" +
		"requires-python: >=3.9\r\nRequires-Dist: a\r\nRequires-Dist: b[x] (>=1) ; extra == 'c'\r\nProvides-Extra: C_d\r\n\r\nName: body\r\n"))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	if m.Name != "foo-bar" || m.Version.String() != "1.0" || m.Summary != "one\ntwo" || m.RequiresPython.String() != ">=3.9" {
		t.Errorf("got %+v", m)
	}
	var names []requirements.Name
	for _, r := range m.RequiresDist {
		names = append(names, r.Name)
	}
	if diff := cmp.Diff([]requirements.Name{"a", "b"}, names); diff != "" {
		t.Errorf("Requires-Dist (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"a", "b[x] (>=1) ; extra == 'c'"}, m.Text); diff != "" {
		t.Errorf("Text (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]requirements.Name{"c-d"}, m.ProvidesExtra); diff != "" {
		t.Errorf("Provides-Extra (-want +got):\n%s", diff)
	}
}

func TestParseEntryPoints(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                      "",
		"[console_scripts]\na = x:y\n":          "a x y",
		"[console_scripts]\n  a = x:y\n  b=x:z": "a x y; b x z",
		"[console_scripts]\na = x:y\n  ; note\n\n# note\nb = x . y : z . w [e, f]\n": "error",
		"[console_scripts]\na = x.y:z.w [e, f]\n":                                    "a x.y z.w",
		"[gui_scripts]\nb = x:y\n[console_scripts]\na = x:y\n":                       "a x y; b x y gui",
		"[console_scripts]\ra = x:y\r":                                               "a x y",
		"[ console_scripts ]\na = x:y\n":                                             "",
		"[Console_Scripts]\na = x:y\n":                                               "",
		"[console_scripts] # note\na = x:y\n":                                        "a x y",
		"[other]\na = b\n   c\nd = e = f\n":                                          "",
		"[other]\na\n":                                                               "error",
		"[other]\na: b\n":                                                            "error",
		"[other]\na = b\na = c\n":                                                    "error",
		"[other]\n[other]\n":                                                         "error",
		"a = b\n":                                                                    "error",
		"\ufeff[console_scripts]\na = x:y\n":                                         "error",
		"[console_scripts]\na = x:y # note\n":                                        "error",
		"[console_scripts]\na = x:y []\n":                                            "error",
		"[console_scripts]\na = x:y [b] c\n":                                         "error",
		"[console_scripts]\na = x:y [b,,c]\n":                                        "error",
		"[console_scripts]\na =\n":                                                   "error",
		"[console_scripts]\na = x:y\n\n  b = x:z\n":                                  "error",
	} {
		points, errs := wheel.ParseEntryPoints(strings.NewReader(text))
		var got []string
		for _, e := range points {
			s := e.Name + " " + e.Module + " " + e.Function
			if e.GUI {
				s += " gui"
			}
			got = append(got, s)
		}
		if want == "error" {
			if len(errs) == 0 {
				t.Errorf("%q: got %q, want an error", text, got)
			}
			continue
		}
		if s := strings.Join(got, "; "); s != want || len(errs) > 0 {
			t.Errorf("%q: got %q, %v, want %q", text, s, errs, want)
		}
	}
}

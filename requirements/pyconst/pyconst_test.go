package pyconst

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const module = `"""A module's text.

NOT = "an assignment"
"""
from dataclasses import dataclass
BASE = os.environ.get("X", "https://example.com/")
PLAIN = "p"  # a comment with = and "
LEFT = 'a' "b" \
    r'\c'
pair = "x", "y"

@dataclass(frozen=True)
class ArtifactPath:
    """Paths."""
    FMHA: str = "158f/fmha/"
    BMM: str = (
        "c21d/"  # in two
        "bmm/"
    )
    ARCHS: tuple[str, ...] = ("sm_100a", "sm_103a",)
    ESCAPED = "a\n"
    FORMATTED = f"{FMHA}x"
    BYTES = b"x"

    def method(self):
        FMHA = "another"
        return FMHA

class CheckSumHash(object):
    DSL: dict[str, dict[str, str]] = {
        "x86_64": {"sm_100a": "77"},
        "aarch64": {
            "sm_100a": "10",
        },
    }
    map_checksums: dict[str, str] = {
        safe_urljoin(ArtifactPath.FMHA, "checksums.txt"): FMHA,
        **{a: b for a, b in DSL.items()},
    }
    class Inner:
        DEEP = "d"
if True:
    PLAIN2 = "depends"
TWICE = "1"
TWICE = "2"
GROWN = "1"
GROWN += "2"
GONE = "1"
del GONE
assert PLAIN == "p"; LAST = "l"
if True: INLINE = "i"
FIRST = SECOND = "s"
SECOND = "t"
for LOOP in ("a", "b"): pass
LOOP = "c"
STORED = "a"
class Store:
    X = "1"
    Y = "2"
Store.X = "3"
EMPTY = ""
`

func TestParse(t *testing.T) {
	t.Parallel()
	m, err := Parse("m.py", []byte(module))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"PLAIN": "p", "LEFT": `ab\c`, "pair.0": "x", "pair.1": "y", "LAST": "l", "EMPTY": "", "STORED": "a", "Store.Y": "2",
		"ArtifactPath.FMHA": "158f/fmha/", "ArtifactPath.BMM": "c21d/bmm/",
		"ArtifactPath.ARCHS.0": "sm_100a", "ArtifactPath.ARCHS.1": "sm_103a",
		"CheckSumHash.DSL.x86_64.sm_100a": "77", "CheckSumHash.DSL.aarch64.sm_100a": "10",
		"CheckSumHash.Inner.DEEP": "d",
	}
	got := map[string]string{}
	for _, name := range m.Names() {
		if got[name], err = m.String(name); err != nil {
			t.Error(err)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("constants (-want +got):\n%s", diff)
	}
	for name, says := range map[string]string{
		"BASE":                       `is not a string, tuple, list or dict of them`,
		"ArtifactPath.ESCAPED":       "a string with an escape",
		"ArtifactPath.FORMATTED":     "is not a string",
		"ArtifactPath.BYTES":         "is not a string",
		"CheckSumHash.map_checksums": "a dict's key \"safe_urljoin(ArtifactPath.FMHA,",
		"INLINE":                     "may change it", "FIRST": "is not a string", "SECOND": "assigns it again", "LOOP": "assigns it again", "Store.X": "may change it",
		"PLAIN2":                       "may change it",
		"TWICE":                        "assigns it again",
		"GROWN":                        "may change it",
		"GONE":                         "may change it",
		"ArtifactPath.NEW":             "m.py has no string constant ArtifactPath.NEW; it has ArtifactPath.ARCHS.0, ArtifactPath.ARCHS.1, ArtifactPath.BMM, ArtifactPath.FMHA",
		"CheckSumHash.DSL.x86_64.no":   "it has CheckSumHash.DSL.x86_64.sm_100a",
		"CheckSumHash.map_checksums.x": "CheckSumHash.map_checksums is not a constant",
	} {
		if s, err := m.String(name); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s is %q (%v), want an error that says %q", name, s, err, says)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for src, says := range map[string]string{
		"x = (": "not closed", "x = ]": "closes nothing", "x = (]": "closes nothing", `x = "`: "not closed", "x = '''a": "not closed",
		"x = 'a\n'": "not closed at the line's end", "x = " + strings.Repeat("(", 200): "deep",
	} {
		if _, err := Parse("m.py", []byte(src)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q gave %v, want %q", src, err, says)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(module)
	for _, s := range []string{"x = ", "x: = 'a'", "x = {'a': }", "x = ((((", "class A:\n x='1'\n\ty='2'", "x = 'a',", "x = ''''''", "x=\"\\\"", "\x00", "x = r'\\'"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		m, err := Parse("m.py", []byte(src))
		if err != nil {
			return
		}
		for _, name := range m.Names() {
			if s, err := m.String(name); err != nil || !strings.Contains(src, s) && !strings.ContainsAny(src, "'\"") {
				t.Errorf("%s is %q (%v), which the text does not hold", name, s, err)
			}
		}
	})
}

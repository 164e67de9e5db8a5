package netrc_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/netrc"
)

const sample = `# passwords
machine github.com login me password s3#cret # work
machine h.example:8443
	login you
	account x
	password "two words \" \\"
macdef init
	machine evil.example login a password b

machine nologin.example password tok
default login anonymous password guest`

func TestLookup(t *testing.T) {
	t.Parallel()
	f := netrc.Parse([]byte(sample))
	for host, want := range map[string]netrc.Entry{
		"github.com":      {"github.com", "me", "s3#cret"},
		"GitHub.com":      {"github.com", "me", "s3#cret"},
		"github.com:443":  {"github.com", "me", "s3#cret"},
		"h.example:8443":  {"h.example:8443", "you", `two words " \`},
		"nologin.example": {"nologin.example", "", "tok"},
		"h.example":       {"", "anonymous", "guest"},
		"evil.example":    {"", "anonymous", "guest"},
	} {
		if got, ok := f.Lookup(host); !ok || got != want {
			t.Errorf("%s: %s", host, cmp.Diff(want, got))
		}
	}
	if got, ok := f[:2].Lookup("other.example"); ok {
		t.Errorf("without a default, %v came", got)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(sample))
	f.Add([]byte("machine"))
	f.Add([]byte("macdef"))
	f.Add([]byte("login \"\\"))
	f.Fuzz(func(t *testing.T, src []byte) {
		entries := netrc.Parse(src)
		if len(entries) > len(src)/7+1 {
			t.Errorf("%d entries of %d bytes", len(entries), len(src))
		}
	})
}

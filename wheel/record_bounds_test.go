package wheel_test

import (
	"crypto"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/wheel"
)

func TestRecordSum(t *testing.T) {
	t.Parallel()
	sum := func(n int) string { return strings.Repeat("A", (n*8+5)/6) } // n zero bytes in base64
	for hash, want := range map[string]struct {
		hash   crypto.Hash
		length int
		ok     bool
	}{
		"":                        {0, 0, true},
		"sha256=" + sum(32):       {crypto.SHA256, 32, true},
		"SHA256=" + sum(32) + "=": {crypto.SHA256, 32, true},
		"sha384=" + sum(48):       {crypto.SHA384, 48, true},
		"sha512=" + sum(64):       {crypto.SHA512, 64, true},
		"sha256=" + sum(31):       {},
		"sha256=" + sum(33):       {},
		"sha512=" + sum(32):       {},
		"sha256=" + sum(31) + "*": {},
		"sha256":                  {},
		"sha256=":                 {},
		"sha1=" + sum(20):         {},
	} {
		h, got, err := wheel.Entry{Hash: hash}.Sum()
		if h != want.hash || len(got) != want.length || (err == nil) != want.ok {
			t.Errorf("%q: %v of %d bytes, %v", hash, h, len(got), err)
		}
	}
}

// TestRecordOrder sorts rows of one path by hash, then by size.
func TestRecordOrder(t *testing.T) {
	t.Parallel()
	want := wheel.Record{
		{Path: "a", Hash: "", Size: -1}, {Path: "a", Hash: "", Size: 0}, {Path: "a", Hash: "", Size: 5}, {Path: "a", Hash: "", Size: 9},
		{Path: "a", Hash: "sha256=x", Size: 2}, {Path: "a", Hash: "sha256=y", Size: 1}, {Path: "b", Hash: "", Size: 0},
	}
	got := wheel.Record{want[6], want[5], want[3], want[1], want[4], want[2], want[0]}
	got.Sort()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}

// TestRecordQuotes quotes the fields that need it and no other.
func TestRecordQuotes(t *testing.T) {
	t.Parallel()
	record := wheel.Record{{Path: "a b;'c'.py", Size: 0}, {Path: "a,b", Size: -1}, {Path: "a\nb", Size: 1}, {Path: "a\rb", Size: 1}, {Path: `a"b`, Hash: "x,y", Size: 1}}
	const want = "a b;'c'.py,,0\n\"a,b\",,\n\"a\nb\",,1\n\"a\rb\",,1\n\"a\"\"b\",\"x,y\",1\n"
	if got := string(record.Append(nil)); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestRecordHeaders holds what METADATA's headers may begin with and hold.
func TestRecordHeaders(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"\ufeffMetadata-Version: 2.1\nName: x\nVersion: 1\n":          "x",
		"Metadata-Version: 2.1\nVersion: 1\nName: x\n":                "x",
		"Metadata-Version: 2.1\nVersion: 1\n\ufeffName: x\n":          "",
		"\ufeff\ufeffMetadata-Version: 2.1\nName: x\nVersion: 1\n":    "",
		"Metadata-Version: 2.1\nVersion: 1\nNAME: x\nName: y\n":       "",
		"Metadata-Version: 2.1\nVersion: 1\nName: x\nSummary: \xff\n": "",
		"Metadata-Version: 2.1\nVersion: 1\nName: x\nno header\n":     "",
	} {
		m, errs := wheel.ParseMetadata(strings.NewReader(text))
		if got := string(m.Name); (len(errs) == 0) != (want != "") || want != "" && got != want {
			t.Errorf("%q: %q, %v", text, got, errs)
		}
	}
}

package header_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/wheel/internal/header"
)

func TestAll(t *testing.T) {
	t.Parallel()
	const text = "Name: x\r\nA : b\nSummary:one\n  two\n\t\n three\nnone\nK:\n\nbody: y\n"
	want := []header.Header{
		{1, "Name: x\r\n"}, {2, "A : b\n"}, {3, "Summary:one\n  two\n\t\n three\n"}, {7, "none\n"}, {8, "K:\n"},
	}
	var got []header.Header
	for h, err := range header.All(strings.NewReader(text), 100) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, h)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	for i, want := range [][3]string{
		{"Name: ", "x", "\r\n"}, {"A : ", "b", "\n"}, {"Summary:", "one\n  two\n\t\n three", "\n"}, {"none\n", "", ""}, {"K:", "", "\n"},
	} {
		before, value, after := got[i].Cut()
		if diff := cmp.Diff(want, [3]string{before, value, after}); diff != "" {
			t.Errorf("cut %q (-want +got):\n%s", got[i].Text, diff)
		}
	}
}

func TestAllEndsAtTheLimit(t *testing.T) {
	t.Parallel()
	for text, wrong := range map[string]bool{
		"A: 1\nB: 2\n": false, "A: 1\nB: 2\n\n": true, "A: 1\n\n" + strings.Repeat("b", 20): false, "A: 123456789": true,
	} {
		var last error
		for _, err := range header.All(strings.NewReader(text), 10) {
			last = err
		}
		if (last != nil) != wrong {
			t.Errorf("%q of at most 10 bytes: %v", text, last)
		}
	}
}

// What is yielded is the text up to its body, whatever the text is.
func FuzzAll(f *testing.F) {
	for _, text := range []string{"Name: x\n\nbody", "\ufeffName : x", " folded", "Name:x\n\ty\n", "\x00", ":\n:", "a: \n \n\r\r\n", "a:" + strings.Repeat("\n ", 1000)} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		rest := text
		for h, err := range header.All(strings.NewReader(text), 1<<20) {
			if err != nil {
				return
			}
			before, value, after := h.Cut()
			if before+value+after != h.Text {
				t.Errorf("%q is cut to %q, %q, %q", h.Text, before, value, after)
			}
			var ok bool
			if rest, ok = strings.CutPrefix(rest, h.Text); !ok {
				t.Fatalf("%q gave %q, which does not stand next", text, h.Text)
			}
		}
		if rest != "" && strings.TrimRight(rest[:strings.IndexByte(rest+"\n", '\n')], "\r\n") != "" {
			t.Errorf("%q: %q was left out", text, rest)
		}
	})
}

package main

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"
)

func TestQuote(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain text, \tä 日本 🎉\n":      "plain text, \tä 日本 🎉\n",
		"\x1b[2J\x1b]0;title\x07":     `\u001b[2J\u001b]0;title\u0007`,
		"NUL\x00 BS\b DEL\x7f CR\r\n": `NUL\u0000 BS\u0008 DEL\u007f CR\u000d` + "\n",
		"CSI \u009b2J":                `CSI \u009b2J`,
		"turned \u202egnp.exe":        `turned \u202egnp.exe`,
		"not UTF-8 \xff\xc3(":         `not UTF-8 \ufffd\ufffd(`,
		"":                            "",
	} {
		var out bytes.Buffer
		if _, err := io.WriteString(quote(&out), in); err != nil || out.String() != want {
			t.Errorf("%q is shown as %q, %v, want %q", in, &out, err, want)
		}
		// However the text is cut into writes, it is the same.
		out.Reset()
		if _, err := io.Copy(struct{ io.Writer }{quote(&out)}, iotest.OneByteReader(strings.NewReader(in))); err != nil || out.String() != want {
			t.Errorf("%q byte by byte is shown as %q, %v", in, &out, err)
		}
	}
}

// JSON stays JSON of the same text.
func TestQuoteKeepsJSON(t *testing.T) {
	t.Parallel()
	const text = "\x1b[2J \u009b \u202e \u2028 ä \x7f 🎉"
	var out bytes.Buffer
	if err := json.NewEncoder(quote(&out)).Encode(text); err != nil {
		t.Fatal(err)
	}
	var back string
	if err := json.Unmarshal(out.Bytes(), &back); err != nil || back != text {
		t.Errorf("%s reads back as %q, %v", &out, back, err)
	}
	if strings.ContainsFunc(strings.TrimSpace(out.String()), unprintable) {
		t.Errorf("it holds what a terminal obeys: %q", &out)
	}
}

func FuzzQuote(f *testing.F) {
	f.Add("\x1b[2J", 1)
	f.Add("日本\u009b", 4)
	f.Fuzz(func(t *testing.T, text string, cut int) {
		var out bytes.Buffer
		w := quote(&out)
		cut = max(0, min(cut, len(text)))
		for _, part := range []string{text[:cut], text[cut:], "\n"} {
			if n, err := io.WriteString(w, part); err != nil || n != len(part) {
				t.Fatal(n, err)
			}
		}
		if s := out.String(); !utf8.ValidString(s) || strings.ContainsFunc(s, unprintable) {
			t.Errorf("%q is shown as %q", text, s)
		}
	})
}

package requirements

import (
	"slices"
	"strings"
	"testing"
)

func FuzzParseRequirement(f *testing.F) {
	for _, s := range []string{
		"torch == 2.11.0", "a.B_c[ X , y_Z ] (>=1, <2) ; extra == 'Foo.Bar'", "n@https://h/x.whl ; os_name=='posix'", "name===weird!,>=1",
		"name (===a)", "name[]", "name;'a'in extras", "name>=1,", "name @ u",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, at, err := parseRequirement(s)
		if err != nil {
			return
		}
		if strings.HasSuffix(string(r.Name), "-") || slices.ContainsFunc(r.Extras, func(e Name) bool { return strings.HasSuffix(string(e), "-") }) {
			return // packaging lets a name end in _, and its normal form is no name
		}
		again, err := ParseRequirement(r.String())
		if err != nil || again.String() != r.String() {
			t.Fatalf("%q is %s, which reads back as %s, %v", s, r, again, err)
		}
		if at.start > at.end || at.end > len(s) {
			t.Fatalf("the specifiers of %q are at %v", s, at)
		}
		if r.URL != "" {
			return
		}
		pinned, err := Pin(s, "==1.2.3")
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseRequirement(pinned)
		want := r
		want.Specifiers = nil
		if err != nil || got.Specifiers.String() != "==1.2.3" {
			t.Fatalf("%q pinned is %q: %v", s, pinned, err)
		}
		got.Specifiers = nil
		if got.String() != want.String() {
			t.Errorf("pinning %q changes more: %q", s, pinned)
		}
	})
}

// FuzzParse holds for every file that can be read: its bytes come back, rules
// change exactly what they match, and a second time nothing.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"torch==2.10.0\ntriton\n", "\xef\xbb\xbftriton \\\r\n  --hash=sha256:0 \\\r\n# c\r\nnumpy\r\n", "\xff\xfet\x00r\x00i\x00t\x00o\x00n\x00",
		"# coding: latin-1\ntorch # \xe9\n", "triton\\\n", "a\x0ctriton\u2028torch (>=1) # c \\\nx\n", "-e git+https://h/x#egg=triton\n-r a -c b\n",
		"torch[a]>=1,\\\n<2 ; os_name=='x'\n", "https://h/triton-1-py3-none-any.whl\n./x\ntorch==${V}\n", "torch==1+cpu\ntorch @ https://u\n",
	} {
		f.Add([]byte(s))
	}
	rules := []Rule{{Drop: "triton"}, {Drop: "a*"}, {Pin: "torch", To: "==2.11.0"}}
	f.Fuzz(func(t *testing.T, src []byte) {
		file, err := Parse("f", src)
		if err != nil {
			return
		}
		if string(file.Bytes()) != string(src) {
			t.Fatalf("%q became %q", src, file.Bytes())
		}
		if again := file.codec.encode(file.text); string(again) != string(src) {
			t.Fatalf("%q is encoded again as %q", src, again)
		}
		after, report := Rewrite(file, rules)
		if len(report.Changes) == 0 && after != file {
			t.Errorf("%q is another file without a change", src)
		}
		checkEntries(t, file, after, rules)
		again, second := Rewrite(after, rules)
		if again != after || len(second.Changes) > 0 {
			t.Errorf("%q: a second rewriting of %q changes %v", src, after.Bytes(), second.Changes)
		}
		if reread, err := Parse("f", after.Bytes()); err != nil {
			// A declaration may come to stand in the first two lines.
			if !strings.Contains(string(src), "coding") {
				t.Errorf("%q became %q: %v", src, after.Bytes(), err)
			}
		} else if string(reread.Bytes()) != string(after.Bytes()) {
			t.Errorf("%q became %q and then %q", src, after.Bytes(), reread.Bytes())
		}
	})
}

// checkEntries compares a file with its rewriting, entry by entry.
func checkEntries(t *testing.T, before, after *File, rules []Rule) {
	t.Helper()
	left := slices.Collect(after.Entries())
	for e := range before.Entries() {
		v := Judge(e.spec, e.Name, rules)
		if v.Drop {
			continue
		}
		if len(left) == 0 {
			t.Fatalf("%q: %q is gone", before.text, e.Text)
		}
		got := left[0]
		left = left[1:]
		if got.Text == e.Text {
			continue
		}
		was, is := e.Requirement, got.Requirement
		was.Specifiers, is.Specifiers = nil, nil
		if v.Rule < 0 || got.Requirement.Specifiers.String() != "==2.11.0" || was.String() != is.String() {
			t.Fatalf("%q: %q became %q", before.text, e.Text, got.Text)
		}
	}
	if len(left) > 0 {
		t.Fatalf("%q: %q came up", before.text, left[0].Text)
	}
}

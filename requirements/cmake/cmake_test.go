package cmake

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		text string
		want []Command
	}{
		"nothing":          {" \n# a comment\n#[=[ ]] \n ]=]\n", nil},
		"a byte order":     {"\xef\xbb\xbfa()", []Command{{"a", 1, nil}}},
		"lines":            {"\r\n\nA_1 (\n  x\n  \"y\nz\" w)", []Command{{"A_1", 3, []Arg{{Unquoted, "x", 4}, {Quoted, "y\nz", 5}, {Unquoted, "w", 6}}}}},
		"brackets":         {"a([[\nb;${c}\\n]] [=[d]]e]=] [f] [=)", []Command{{"a", 1, []Arg{{Bracket, "b;${c}\\n", 1}, {Bracket, "d]]e", 2}, {Unquoted, "[f]", 2}, {Unquoted, "[=", 2}}}}},
		"parentheses":      {"a(b (c) d)", []Command{{"a", 1, []Arg{{Unquoted, "b", 1}, {Open, "(", 1}, {Unquoted, "c", 1}, {Close, ")", 1}, {Unquoted, "d", 1}}}}},
		"escapes stay":     {`a(b\ c\" "\"\\")`, []Command{{"a", 1, []Arg{{Unquoted, `b\ c\"`, 1}, {Quoted, `\"\\`, 1}}}}},
		"a joined line":    {"a(\"b\\\n  c\")", []Command{{"a", 1, []Arg{{Quoted, "b  c", 1}}}}},
		"the legacy form":  {`a(-Da="b c" $(MAKE)x"(")`, []Command{{"a", 1, []Arg{{Unquoted, `-Da="b c"`, 1}, {Unquoted, "$(MAKE)x", 1}, {Quoted, "(", 1}}}}},
		"comments between": {"a(b#[[no]]c #d)\n)", []Command{{"a", 1, []Arg{{Unquoted, "b", 1}, {Unquoted, "c", 1}}}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := Parse("f", []byte(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("commands (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseFaults(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		text string
		line int
		want string
	}{
		"no name":          {"\n(", 2, "a command's name"},
		"no parenthesis":   {"a b", 1, "a ( is expected"},
		"a line between":   {"a\n()", 1, "a ( is expected"},
		"no end":           {"a(\n\nb", 1, "no ) closes a"},
		"no quote":         {"a(\n\"b)", 2, "no closing quote"},
		"no bracket":       {"a([==[b]=])", 1, "no ]==] ends"},
		"a zero byte":      {"a(b\x00)", 1, "a zero byte"},
		"a lone backslash": {"a(b\\\n)", 1, "a backslash"},
		"deep":             {"a" + strings.Repeat("(", 100000), 1, "nested too deeply"},
		"two closing":      {"a())", 1, "a command's name"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse("f", []byte(tt.text))
			syntax, ok := errors.AsType[*SyntaxError](err)
			if !ok || syntax.Line != tt.line || syntax.File != "f" || !strings.Contains(syntax.Message, tt.want) {
				t.Errorf("Parse = %v, want %q in line %d", err, tt.want, tt.line)
			}
		})
	}
}

func TestExpand(t *testing.T) {
	t.Parallel()
	values := map[Reference]string{{"", "A"}: "B", {"", "B"}: "deep", {"", "x-y/z.w+1"}: "odd", {"ENV", "A"}: "env", {"CACHE", "A"}: "cache"}
	lookup := func(r Reference) string { return values[r] }
	for text, want := range map[string]string{
		"plain": "plain", "${A}": "B", "${${A}}x": "deepx", "$ENV{A}-$CACHE{A}": "env-cache", "${x-y/z.w+1}": "odd",
		`\${A}`: "${A}", `a\;b\t\n\r\\\"`: "a\\;b\t\n\r\\\"", "$A$<X>": "$A$<X>", "${none}": "", "$ENV{${A}}": "", "}": "}",
	} {
		if got, err := Expand(Arg{Quoted, text, 1}, lookup); got != want || err != nil {
			t.Errorf("Expand(%q) = %q, %v, want %q", text, got, err, want)
		}
	}
	for _, text := range []string{"${A", "${a b}", `\a`, `a\`, strings.Repeat("${", 1000), "${\x00}"} {
		if got, err := Expand(Arg{Unquoted, text, 1}, lookup); err == nil {
			t.Errorf("Expand(%q) = %q", text, got)
		}
	}
	if got, err := Expand(Arg{Bracket, `${A}\a`, 1}, lookup); got != `${A}\a` || err != nil {
		t.Errorf("a bracket argument became %q, %v", got, err)
	}
}

func TestElements(t *testing.T) {
	t.Parallel()
	for value, want := range map[string][]string{
		"": nil, "a": {"a"}, "a;b": {"a", "b"}, ";a;": {"", "a", ""}, `a\;b`: {`a;b`}, `a\;b;c`: {"a;b", "c"}, "[a;b];c": {"[a;b]", "c"}, "];a;b": {"];a;b"}, `a\\;b`: {`a\\`, "b"},
	} {
		if value == `a\;b` {
			want = []string{`a;b`}
		}
		if diff := cmp.Diff(want, Elements(value)); diff != "" {
			t.Errorf("Elements(%q) (-want +got):\n%s", value, diff)
		}
	}
	if got := Split(";a;;b;"); !cmp.Equal(got, []string{"a", "b"}) {
		t.Errorf("Split = %q", got)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"a(b \"c\" [=[d]=] ${e} (f))\n", "if(DEFINED ENV{X})\nendif()", "#[[ ]]", "a(-D\"x y\"z)", "a(${${b}}$ENV{c}\\;)", "a([==[", "a(((((", "a(\"\\\n\")", "a($(x)\"b\")",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		commands, err := Parse("f", []byte(text))
		if err != nil {
			if _, ok := errors.AsType[*SyntaxError](err); !ok {
				t.Errorf("the error %v has no place", err)
			}
			return
		}
		lines := strings.Count(text, "\n") + 1
		for _, c := range commands {
			for _, a := range c.Args {
				if a.Line < c.Line || a.Line > lines || a.Kind == Unquoted && a.Text == "" {
					t.Errorf("argument %+v of %+v in %d lines", a, c, lines)
				}
				Expand(a, func(r Reference) string { return r.Name })
			}
		}
	})
}

package pyproject_test

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pelletier/go-toml/v2"

	"github.com/sparkwheel/sparkwheel/requirements"
	"github.com/sparkwheel/sparkwheel/requirements/pyproject"
)

var rules = []requirements.Rule{
	{Drop: "triton"}, {Drop: "flashinfer-*"}, {Pin: "torch", To: "==2.11.0"},
}

func TestRewriteLayouts(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, in, want string }{
		{"one line, first", `requires = ["triton", "a", "b"]`, `requires = ["a", "b"]`},
		{"one line, middle", `requires = ["a", "triton", "b"]`, `requires = ["a", "b"]`},
		{"one line, last", `requires = ["a", "b", "triton"]`, `requires = ["a", "b"]`},
		{"one line, only", `requires = ["triton"]`, `requires = []`},
		{"one line, all", `requires = ["triton", "flashinfer-python"]`, `requires = []`},
		{"two neighbours", `requires = ["a", "triton", "flashinfer_cubin", "b"]`, `requires = ["a", "b"]`},
		{"trailing comma", `requires = ["a", "triton",]`, `requires = ["a",]`},
		{"only, trailing comma", `requires = [ "triton", ]`, `requires = [ ]`},
		{"spaces inside", `requires = [ "triton", "a" ]`, `requires = [ "a" ]`},
		{"spaces inside, last", `requires = [ "a", "triton" ]`, `requires = [ "a" ]`},
		{"no spaces", `requires = ["a","triton","b"]`, `requires = ["a","b"]`},
		{"space before comma", `requires = ["a" , "triton" , "b"]`, `requires = ["a" , "b"]`},
		{"line each", "requires = [\n  \"a\",\n  \"triton\",\n  \"b\",\n]", "requires = [\n  \"a\",\n  \"b\",\n]"},
		{"line each, last without comma", "requires = [\n  \"a\",\n  \"triton\"\n]", "requires = [\n  \"a\",\n]"},
		{"line each, only", "requires = [\n  \"triton\"\n]", "requires = [\n]"},
		{"comment on its line", "requires = [\n  \"triton\", # why\n  \"a\",\n]", "requires = [\n  \"a\",\n]"},
		{"comment of its own", "requires = [\n  # kernels\n  \"triton\",\n  # b\n  \"b\",\n]", "requires = [\n  # kernels\n  # b\n  \"b\",\n]"},
		{"comment with a bracket", "requires = [ # ] \"triton\"\n  \"triton\", # [\n]", "requires = [ # ] \"triton\"\n]"},
		{"commas in front", "requires = [\n    \"a\"\n  , \"triton\"\n  , \"b\"\n]", "requires = [\n    \"a\"\n  , \"b\"\n]"},
		{"commas in front, first", "requires = [\n    \"triton\"\n  , \"a\"\n]", "requires = [\n  \"a\"\n]"},
		{"comma after a comment", "requires = [\n  \"triton\" # c\n  ,\n  \"a\"\n]", "requires = [\n  \"a\"\n]"},
		{"two on a line", "requires = [\n  \"a\", \"triton\",\n  \"b\",\n]", "requires = [\n  \"a\",\n  \"b\",\n]"},
		{"two on a line, first", "requires = [\n  \"triton\", \"a\", # keep\n]", "requires = [\n  \"a\", # keep\n]"},
		{"bracket on the line", "requires = [\"triton\",\n  \"a\"]", "requires = [\n  \"a\"]"},
		{"closing bracket on the line", "requires = [\"a\",\n  \"triton\"]", "requires = [\"a\",\n  ]"},
		{"CRLF", "requires = [\r\n  \"triton\",\r\n  \"a\",\r\n]\r\n", "requires = [\r\n  \"a\",\r\n]\r\n"},
		{"blank lines", "requires = [\n\n  \"triton\",\n\n  \"a\",\n]", "requires = [\n\n\n  \"a\",\n]"},
		{"tabs", "requires = [\n\t\"triton\",\n\t\"a\"\n]", "requires = [\n\t\"a\"\n]"},
		{"pin", `requires = ["torch>=2.0"]`, `requires = ["torch==2.11.0"]`},
		{"pin, spaces", `requires = ["torch == 2.9.0", 'torch==2.10.0; python_version>"3"']`, `requires = ["torch == 2.11.0", 'torch==2.11.0; python_version>"3"']`},
		{"pin, bare name", `requires = ["torch", "torch[opt]", "torch ; os_name == 'x'"]`, `requires = ["torch==2.11.0", "torch[opt]==2.11.0", "torch==2.11.0 ; os_name == 'x'"]`},
		{"pin, several clauses", `requires = ["torch>=2,<3,!=2.5"]`, `requires = ["torch==2.11.0"]`},
		{"pin, parentheses", `requires = ["torch (>=2)"]`, `requires = ["torch (==2.11.0)"]`},
		{"pin, escapes", `requires = ["torch\u003E=2.0"]`, `requires = ["torch==2.11.0"]`},
		{"pin, escaped quotes", `requires = ["torch>=2; os_name == \"x\""]`, `requires = ["torch==2.11.0; os_name == \"x\""]`},
		{"pin, multi-line string", "requires = [\"\"\"\ntorch>=2\"\"\", '''torch<3''']", "requires = [\"\"\"\ntorch==2.11.0\"\"\", '''torch==2.11.0''']"},
		{"drop, multi-line string", "requires = [\"\"\"\ntriton\"\"\", 'a']", "requires = ['a']"},
		{"pin and drop", `requires = ["triton", "torch", "flashinfer-x"]`, `requires = ["torch==2.11.0"]`},
		{"URL stays", `requires = ["torch @ https://h/torch.whl", "torch==2.0+cpu"]`, `requires = ["torch @ https://h/torch.whl", "torch==2.0+cpu"]`},
		{"other names stay", `requires = ["triton-kernels", "pytorch-triton", "torchvision"]`, `requires = ["triton-kernels", "pytorch-triton", "torchvision"]`},
		{"quoted key", `"requires" = ['triton']`, `"requires" = []`},
		{"after another array", "x = [\"triton\", [\"triton\"]]\nrequires = [\"triton\"]", "x = [\"triton\", [\"triton\"]]\nrequires = []"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			const head = "# head\n[build-system]\n"
			got, err := pyproject.Rewrite("pyproject.toml", []byte(head+tt.in), rules)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(head+tt.want, string(got.Bytes)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			checkMeaning(t, []byte(head+tt.in), got)
		})
	}
}

func TestRewriteTables(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, in, want string }{
		{
			"all four",
			"[build-system]\nrequires=['triton']\n[project]\ndependencies=['triton']\n[project.optional-dependencies]\na=['triton']\nb=['x']\n[dependency-groups]\nt=['triton',{include-group='u'}]\nu=['y']\n",
			"[build-system]\nrequires=[]\n[project]\ndependencies=[]\n[project.optional-dependencies]\na=[]\nb=['x']\n[dependency-groups]\nt=[{include-group='u'}]\nu=['y']\n",
		},
		{"dotted keys", "build-system.requires = ['triton']\nproject.dependencies = ['triton']\nproject.optional-dependencies.'a b' = ['triton']\n", "build-system.requires = []\nproject.dependencies = []\nproject.optional-dependencies.'a b' = []\n"},
		{
			"inline tables",
			"build-system = {requires = [\"triton\", \"a\"], build-backend = \"x\"}\nproject = { dependencies = [], optional-dependencies = { a = ['triton'] } }\n",
			"build-system = {requires = [\"a\"], build-backend = \"x\"}\nproject = { dependencies = [], optional-dependencies = { a = [] } }\n",
		},
		{"group of tables", "[dependency-groups]\na = [{include-group = 'b'}, 'triton', {include-group = \"c\"}]\nb = []\nc = []\n", "[dependency-groups]\na = [{include-group = 'b'}, {include-group = \"c\"}]\nb = []\nc = []\n"},
		{"other tables", "[tool.uv]\ndependencies=['triton']\n[project]\nkeywords=['triton']\n[[tool.x]]\nrequires=['triton']\n", "[tool.uv]\ndependencies=['triton']\n[project]\nkeywords=['triton']\n[[tool.x]]\nrequires=['triton']\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := pyproject.Rewrite("pyproject.toml", []byte(tt.in), rules)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, string(got.Bytes)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			checkMeaning(t, []byte(tt.in), got)
		})
	}
}

func TestRewriteReports(t *testing.T) {
	t.Parallel()
	in := "[project]\ndynamic = [\"version\", \"dependencies\", \"optional-dependencies\"]\n" +
		"[build-system]\nrequires = [\n  \"Triton>=3\", \"torch == 2.10\",\n  \"torch==2.0+cpu\"]\n" +
		"[tool.setuptools.dynamic]\ndependencies = {file = [\"requirements.txt\"]}\n" +
		"optional-dependencies.b = {file = \"b.txt\"}\noptional-dependencies.a = {file = [\"a.txt\", \"c.txt\"]}\n"
	got, err := pyproject.Rewrite("sub/pyproject.toml", []byte(in), rules)
	if err != nil {
		t.Fatal(err)
	}
	want := pyproject.Result{
		Report: requirements.Report{
			Changes: []requirements.Change{
				{File: "sub/pyproject.toml", Line: 5, Before: "Triton>=3", Rule: "drop triton"},
				{File: "sub/pyproject.toml", Line: 5, Before: "torch == 2.10", After: "torch == 2.11.0", Rule: "pin torch==2.11.0"},
			},
			Left: []requirements.Left{{
				File: "sub/pyproject.toml", Line: 6, Text: "torch==2.0+cpu", Rule: "pin torch==2.11.0",
				Reason: "it requires the local version 2.0+cpu",
			}},
			Matched: []bool{true, false, true},
		},
		Dynamic: []pyproject.Dynamic{
			{Field: "dependencies", Files: []string{"requirements.txt"}},
			{Field: "optional-dependencies", Files: []string{"a.txt", "c.txt", "b.txt"}},
		},
	}
	got.Bytes = nil
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRewriteRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct{ in, want string }{
		{"[build-system]\nrequires = [\"a\", \"b c\"]\n", "parsing pyproject.toml:2:18: build-system.requires has \"b c\", which is not a requirement: expected , or a version specifier, or ; and a marker, or the end\n    requires = [\"a\", \"b c\"]\n                     ^"},
		{"[build-system]\nrequires = [\"a\",, \"b\"]\n", "parsing pyproject.toml:2:17: "},
		{"[a]\n[a]\n", "parsing pyproject.toml:2:"},
		{"x = \"\xff\"\n", "parsing pyproject.toml:1:"},
	}
	for _, tt := range tests {
		_, err := pyproject.Rewrite("pyproject.toml", []byte(tt.in), rules)
		if _, ok := errors.AsType[*requirements.SyntaxError](err); !ok || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("Rewrite(%q):\ngot  %v\nwant %s", tt.in, err, tt.want)
		}
	}
}

// checkMeaning holds that a rewritten document says what the old one said,
// without what was dropped and with what was pinned, and that nothing is left
// for a second rewriting.
func checkMeaning(t *testing.T, src []byte, got pyproject.Result) {
	t.Helper()
	var before, after map[string]any
	if err := toml.Unmarshal(src, &before); err != nil {
		t.Fatal(err)
	}
	if err := toml.Unmarshal(got.Bytes, &after); err != nil {
		t.Fatalf("the result is no TOML: %v\n%s", err, got.Bytes)
	}
	dropped, pinned := map[string]bool{}, map[string]string{}
	for _, c := range got.Changes {
		if c.After == "" {
			dropped[c.Before] = true
		} else {
			pinned[c.Before] = c.After
		}
	}
	edit := func(table map[string]any, key string) {
		list, ok := table[key].([]any)
		if !ok {
			return
		}
		list = slices.DeleteFunc(list, func(v any) bool { s, ok := v.(string); return ok && dropped[s] })
		for i, v := range list {
			if s, ok := v.(string); ok && pinned[s] != "" {
				list[i] = pinned[s]
			}
		}
		table[key] = list
	}
	within := func(table map[string]any, key string) map[string]any {
		inner, _ := table[key].(map[string]any)
		return inner
	}
	edit(within(before, "build-system"), "requires")
	edit(within(before, "project"), "dependencies")
	for _, table := range []map[string]any{within(within(before, "project"), "optional-dependencies"), within(before, "dependency-groups")} {
		for key := range table {
			edit(table, key)
		}
	}
	if !reflect.DeepEqual(before, after) {
		t.Errorf("the result says something else (-want +got):\n%s", cmp.Diff(before, after))
	}
	again, err := pyproject.Rewrite("pyproject.toml", got.Bytes, rules)
	if err != nil || len(again.Changes) > 0 {
		t.Errorf("rewriting again changes %v, %v", again.Changes, err)
	}
}

func FuzzRewrite(f *testing.F) {
	for _, s := range []string{
		"[build-system]\nrequires = [\"a\", \"triton\", # c\n'torch==1',]\n",
		"[build-system]\nrequires = [\n  'triton'\n  , \"\"\"torch\"\"\"\n  , \"b\"\n]\n",
		"project = {dependencies = [\"triton\"], optional-dependencies = {x = ['''flashinfer-x''']}}",
		"[dependency-groups]\na = [{include-group = 'b'}, 'triton']\r\nb = [ ]\n",
		"[build-system]\nrequires = [\"torch\\u003e=1\", \"t\\u0072iton\"]",
		"build-system.requires = [\"\"\"\\\n  torch>1\"\"\"\"\"]",
		"\xef\xbb\xbf[build-system]\nrequires = ['triton']",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		same, err := pyproject.Rewrite("pyproject.toml", src, nil)
		if err != nil {
			return
		}
		if string(same.Bytes) != string(src) {
			t.Errorf("without rules, %q became %q", src, same.Bytes)
		}
		got, err := pyproject.Rewrite("pyproject.toml", src, rules)
		if err != nil {
			t.Fatal(err)
		}
		checkMeaning(t, src, got)
	})
}

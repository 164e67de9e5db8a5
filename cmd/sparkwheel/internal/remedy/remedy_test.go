package remedy

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/git"
	"github.com/sparkwheel/sparkwheel/layer/registry"
	"github.com/sparkwheel/sparkwheel/wheel/builder"
	"github.com/sparkwheel/sparkwheel/wheel/builder/explain"
	"github.com/sparkwheel/sparkwheel/wheel/index"
	"github.com/sparkwheel/sparkwheel/wheel/sandbox"
	"github.com/sparkwheel/sparkwheel/wheel/truth"
)

func TestText(t *testing.T) {
	t.Parallel()
	gone := &index.GoneError{Name: "words", File: "words.txt", Cause: &index.StatusError{URL: "https://h/words.txt", Code: 404, Status: "404 Not Found"}}
	faults := &truth.Error{What: "the image", Faults: []truth.Fault{
		{Code: truth.CodeMissing, Name: "numpy", Message: "a requires numpy"},
		{Code: truth.CodeConflict, Distribution: "b", Name: "torch", Pin: "==2", Message: "b requires torch==1"},
		{Code: truth.CodeMissing, Name: "numpy", Message: "c requires numpy"},
	}}
	build := &builder.FailedError{Doing: "building vllm", Exit: &sandbox.ExitError{Args: []string{"uv"}, Code: 1}, Findings: []explain.Finding{
		{ID: "missing-header", Cause: "a header is missing: numa.h", Subject: "numa.h", Package: "libnuma-dev"},
		{ID: "fetchcontent", Cause: "CMake fetches cutlass", Subject: "cutlass"},
	}}
	for _, test := range []struct {
		name string
		err  error
		want string
	}{
		{"nothing known", errors.New("x"), "x"},
		{"in the middle of a message", fmt.Errorf("a: %w\nthe whole log: l", git.ErrOffline),
			"a: not in the local mirror, and the network is not allowed; run `sparkwheel fetch` while there is a network\nthe whole log: l"},
		{"each of several, a remedy once", errors.Join(git.ErrOffline, gone, fmt.Errorf("again: %w", git.ErrOffline)),
			"not in the local mirror, and the network is not allowed; run `sparkwheel fetch` while there is a network\n" +
				"fetching words.txt: https://h/words.txt answers 404 Not Found; fetch it from a bundle that has it, or run `sparkwheel lock --upgrade=words`\n" +
				"again: not in the local mirror, and the network is not allowed"},
		{"words that the message hides", hidden{&git.SchemeError{URL: "ssh://h", Scheme: "ssh"}}, "hidden; send it elsewhere with --mirror PREFIX=https://HOST/"},
		{"a type with nothing to say", &registry.StatusError{Method: "GET", URL: "u", Status: 500}, "GET u: 500 Internal Server Error"},
		{"its own remedy instead", fmt.Errorf("a: %w", With(fmt.Errorf("b: %w", git.ErrOffline), "run it online")),
			"a: b: not in the local mirror, and the network is not allowed; run it online"},
		{"behind each fault", fmt.Errorf("judging: %w", faults), `judging: checking the requirements of the image: 3 faults
  a requires numpy [requirement-missing]; add a wheel of numpy, or pass --allow numpy
  b requires torch==1 [version-conflict]; take a torch that it admits, rebuild b with ` + "`pin = { torch = \"==2\" }`" + `, or pass --allow torch
  c requires numpy [requirement-missing]`},
		{"below each cause", build, `building vllm: running uv: exit status 1
  cause:  a header is missing: numa.h [missing-header]
  remedy: add the package that has it to the base, or the submodule to the recipe's source (libnuma-dev)
  cause:  CMake fetches cutlass [fetchcontent]
  remedy: set fetchcontent = true in the recipe's [[wheel]] and run ` + "`sparkwheel lock`" + `; where that is set, name cutlass in [wheel.fetchcontent.repository.cutlass] with url and ref`},
	} {
		if diff := cmp.Diff(test.want, Text(test.err)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

type hidden struct{ err error }

func (hidden) Error() string   { return "hidden" }
func (h hidden) Unwrap() error { return h.err }

func TestNamespacesNamesThreeWays(t *testing.T) {
	t.Parallel()
	for _, e := range []*sandbox.NamespaceError{
		{Step: "starting", Err: os.ErrPermission, Program: "/usr/local/bin/sparkwheel", AppArmor: true},
		{Step: "starting", Err: os.ErrPermission},
		{Step: "starting", Err: os.ErrPermission, Root: true},
	} {
		text := Text(e)
		wants := []string{"making a sandbox: starting: ", "\nThree ways on:\n  1. ", "\n  2. ", "\n  3. ", "--sandbox none"}
		if e.Root {
			wants = append(wants, "--privileged")
		} else {
			wants = append(wants, "sudo sparkwheel")
		}
		if e.AppArmor {
			wants = append(wants, "profile sparkwheel /usr/local/bin/sparkwheel flags=(unconfined)", "userns,", "/etc/apparmor.d/sparkwheel")
		}
		for _, want := range wants {
			if !strings.Contains(text, want) {
				t.Errorf("%q lacks %q", text, want)
			}
		}
	}
}

func TestEveryFindingHasARemedy(t *testing.T) {
	t.Parallel()
	for _, id := range explain.IDs() {
		if findings[id] == "" {
			t.Errorf("no remedy for %s", id)
		}
	}
	for id := range findings {
		if !slices.Contains(explain.IDs(), id) {
			t.Errorf("no build's log shows %s", id)
		}
	}
}

func TestEveryFaultHasARemedy(t *testing.T) {
	t.Parallel()
	for _, code := range []string{truth.CodeBuiltAgainst, truth.CodeConflict, truth.CodeMarker, truth.CodeMissing, truth.CodePython} {
		if Fault(truth.Fault{Code: code}) == "" {
			t.Errorf("no remedy for %s", code)
		}
	}
}

// plain are the exported errors of the rooms whose own words are all that can be
// said, and why.
var plain = map[string]string{
	"*git.RefError":              "lists the nearest refs",
	"*git.AmbiguousError":        "lists the refs to ask for",
	"git.ErrNoTag":               "how a version is made without a tag is the caller's choice",
	"gittest.ErrNoGit":           "of tests",
	"*pack.DamagedError":         "its caller fetches again",
	"pack.ErrNotFound":           "its caller fetches",
	"*patch.SyntaxError":         "shows the line",
	"*patch.ConflictError":       "shows each hunk",
	"*requirements.SyntaxError":  "shows the place",
	"*cmake.SyntaxError":         "shows the place",
	"*version.ParseError":        "shows the text",
	"*marker.SyntaxError":        "shows the place",
	"*marker.EvalError":          "shows what cannot be compared",
	"*sandbox.ExitError":         "its output says it; FailedError explains it",
	"*wheel.VerifyError":         "lists each fault of a file that only its maker can mend",
	"*wheel.FilenameError":       "says the form",
	"*wheel.TagError":            "says which tag is missing",
	"*install.ConflictError":     "lists each path",
	"*index.NoFileError":         "lists the files that there are",
	"*index.TooLargeError":       "says the limit",
	"*index.AnswerError":         "says what is wrong with the answer",
	"*layout.TagError":           "lists the tags that there are",
	"*hosts.CommandError":        "has the host's own words",
	"*hosts.ConnectError":        "names the ssh command to try",
	"*hosts.NoRuntimeError":      "names the ssh command to try",
	"*hosts.SpaceError":          "says how much room to make",
	"*hosts.VerifyError":         "a host that changes what it was given",
	"*inflate.CorruptError":      "of damaged content",
	"inflate.ErrTrailing":        "of damaged content",
	"layer.ErrNoBlob":            "its caller writes the layer",
	"*layer.TypeError":           "says which media types are read",
	"*registry.IdleError":        "retried",
	"*registry.DigestError":      "of damaged content",
	"*registry.SizeError":        "of damaged content",
	"*registry.PlatformError":    "lists the platforms that there are",
	"*registry.LocationError":    "a registry at fault",
	"*registry.WaitError":        "says how long the registry wants",
	"*registry.GiveUpError":      "wraps the last error",
	"*registry.CredentialsError": "names the host; the helper's words say the rest",
}

// TestEveryErrorIsDecided looks at every exported error of the rooms: what can
// be done about it is in the table, or there is a reason that nothing is.
func TestEveryErrorIsDecided(t *testing.T) {
	t.Parallel()
	decided := map[string]bool{}
	for _, r := range rules {
		if plain[r.of] != "" || decided[r.of] {
			t.Errorf("%s has two decisions", r.of)
		}
		decided[r.of] = true
		Text(r.zero) // must take an error without content
	}
	found := exportedErrors(t, "../../../..")
	if len(found) < 40 {
		t.Fatalf("only %d exported errors were found", len(found))
	}
	for _, name := range found {
		if !decided[name] && plain[name] == "" {
			t.Errorf("%s: give it a remedy in rules, or a reason in plain", name)
		}
	}
	for name := range plain {
		if !slices.Contains(found, name) {
			t.Errorf("%s is gone from the rooms", name)
		}
	}
}

// exportedErrors are the exported error types and sentinels of the rooms below
// root, as "*index.GoneError" and "git.ErrOffline".
func exportedErrors(t *testing.T, root string) (found []string) {
	t.Helper()
	for _, room := range []string{"git", "requirements", "wheel", "layer"} {
		err := filepath.WalkDir(filepath.Join(root, room), func(name string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() && (d.Name() == "internal" || d.Name() == "testdata") {
				return fs.SkipDir
			}
			if d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
				return nil
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			found = append(found, errorsOf(file)...)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return found
}

func errorsOf(file *ast.File) (found []string) {
	for _, decl := range file.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			if decl.Name.Name != "Error" || decl.Recv == nil || len(decl.Type.Params.List) > 0 {
				continue
			}
			of := decl.Recv.List[0].Type
			star := ""
			if p, ok := of.(*ast.StarExpr); ok {
				of, star = p.X, "*"
			}
			if id, ok := of.(*ast.Ident); ok && id.IsExported() {
				found = append(found, star+file.Name.Name+"."+id.Name)
			}
		case *ast.GenDecl:
			for _, spec := range decl.Specs {
				if v, ok := spec.(*ast.ValueSpec); ok && decl.Tok == token.VAR {
					for _, id := range v.Names {
						if strings.HasPrefix(id.Name, "Err") {
							found = append(found, file.Name.Name+"."+id.Name)
						}
					}
				}
			}
		}
	}
	return found
}

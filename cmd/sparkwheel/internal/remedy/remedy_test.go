package remedy

import (
	"errors"
	"fmt"
	"os"
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
		{"in the middle of a message", fmt.Errorf("a: %w\nfull log: l", git.ErrOffline),
			"a: not cached, and the network is not allowed; run `sparkwheel fetch` without --offline\nfull log: l"},
		{"each of several, a remedy once", errors.Join(git.ErrOffline, gone, fmt.Errorf("again: %w", git.ErrOffline)),
			"not cached, and the network is not allowed; run `sparkwheel fetch` without --offline\n" +
				"fetching words.txt: https://h/words.txt answers 404 Not Found; if a mirror has it, give --mirror PREFIX=BASE; build from a bundle that has it; or use another version: `sparkwheel lock --upgrade=words`\n" +
				"again: not cached, and the network is not allowed"},
		{"words that the message hides", hidden{&git.SchemeError{URL: "ssh://h", Scheme: "ssh"}}, "hidden; use another server with --mirror PREFIX=https://HOST/"},
		{"a type with nothing to say", &registry.StatusError{Method: "GET", URL: "u", Status: 500}, "GET u: 500 Internal Server Error"},
		{"its own remedy instead", fmt.Errorf("a: %w", With(fmt.Errorf("b: %w", git.ErrOffline), "run it online")),
			"a: b: not cached, and the network is not allowed; run it online"},
		{"behind each fault", fmt.Errorf("judging: %w", faults), `judging: checking the requirements of the image: 3 faults
  a requires numpy [requirement-missing]; add a wheel of numpy, or pass --allow numpy
  b requires torch==1 [version-conflict]; use a torch that it allows, rebuild b with ` + "`pin = { torch = \"==2\" }`" + `, or pass --allow torch
  c requires numpy [requirement-missing]`},
		{"below each cause", build, `building vllm: running uv: exit status 1
  cause:  a header is missing: numa.h [missing-header]
  remedy: add the package that has it to the base, or the submodule to the recipe's source (libnuma-dev)
  cause:  CMake fetches cutlass [fetchcontent]
  remedy: set fetchcontent = true in the recipe's [[wheel]] and run ` + "`sparkwheel lock`" + `; where that is set, give [wheel.fetchcontent.repository.cutlass] a url and a ref`},
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
		wants := []string{"making a sandbox: starting: ", "\nThree ways to go on:\n  1. ", "\n  2. ", "\n  3. ", "--sandbox none"}
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

func TestRulesTakeErrorsWithoutContent(t *testing.T) {
	t.Parallel()
	for _, r := range rules {
		if Text(r.zero) == "" {
			t.Errorf("%s has no text", r.of)
		}
	}
	if names := Known(); len(names) != len(rules) {
		t.Errorf("%d names of %d rules", len(names), len(rules))
	}
}

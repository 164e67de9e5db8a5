package install_test

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/wheel"
	"github.com/sparkwheel/sparkwheel/wheel/install"
	"github.com/sparkwheel/sparkwheel/wheel/wheeltest"
)

func TestConflicts(t *testing.T) {
	t.Parallel()
	w := func(name string, members ...string) *wheel.Reader {
		return open(t, wheeltest.New(name+"-1.0-py3-none-any.whl", members...))
	}
	stored := wheeltest.New("stored-1.0-py3-none-any.whl", "shared.py", "same")
	stored.Find("shared.py").Stored = true
	executable := wheeltest.New("executable-1.0-py3-none-any.whl", "shared.py", "same")
	executable.Find("shared.py").Mode = 0o100755

	lib := "usr/local/lib/python3.12/dist-packages/"
	for _, tt := range []struct {
		name   string
		wheels []*wheel.Reader
		want   []install.Conflict
	}{
		{"apart", []*wheel.Reader{w("a", "a.py", "1"), w("b", "b.py", "1")}, nil},
		{"namespace", []*wheel.Reader{w("a", "ns/a.py", "1"), w("b", "ns/b.py", "2")}, nil},
		{"same bytes", []*wheel.Reader{w("a", "shared.py", "same"), open(t, stored), open(t, executable)}, nil},
		{"different bytes", []*wheel.Reader{w("a", "shared.py", "one"), w("b", "shared.py", "two"), w("c", "c.py", "")}, []install.Conflict{
			{Path: lib + "shared.py", First: "a-1.0-py3-none-any.whl", Second: "b-1.0-py3-none-any.whl", Message: "they write one path with different bytes"},
		}},
		{"all of them", []*wheel.Reader{w("a", "x.py", "1", "y.py", "1", "z.py", "1"), w("b", "x.py", "2", "z.py", "1"), w("c", "y.py", "3")}, []install.Conflict{
			{Path: lib + "x.py", First: "a-1.0-py3-none-any.whl", Second: "b-1.0-py3-none-any.whl", Message: "they write one path with different bytes"},
			{Path: lib + "y.py", First: "a-1.0-py3-none-any.whl", Second: "c-1.0-py3-none-any.whl", Message: "they write one path with different bytes"},
		}},
		{"scripts", []*wheel.Reader{
			w("a", "a-1.0.dist-info/entry_points.txt", "[console_scripts]\nrun = a:main\n"),
			w("b", "b-1.0.data/scripts/run", "#!python\n"),
		}, []install.Conflict{
			{Path: "usr/local/bin/run", First: "a-1.0-py3-none-any.whl", Second: "b-1.0-py3-none-any.whl", Message: "they write one path with different bytes"},
		}},
		{"file and directory", []*wheel.Reader{w("a", "x", "1"), w("b", "x/y.py", "1")}, []install.Conflict{
			{Path: lib + "x", First: "a-1.0-py3-none-any.whl", Second: "b-1.0-py3-none-any.whl", Message: "one writes a file where the other has a directory"},
		}},
		{"directory and file", []*wheel.Reader{w("b", "x/y.py", "1"), w("a", "x", "1")}, []install.Conflict{
			{Path: lib + "x", First: "b-1.0-py3-none-any.whl", Second: "a-1.0-py3-none-any.whl", Message: "one writes a file where the other has a directory"},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := install.Tree(debian("3.12"), tt.wheels...)
			var got []install.Conflict
			if found, ok := errors.AsType[*install.ConflictError](err); ok {
				got = found.Conflicts
			} else if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("conflicts (-want +got):\n%s", diff)
			}
			for _, c := range tt.want {
				if text := err.Error(); !strings.Contains(text, c.First) || !strings.Contains(text, c.Second) || !strings.Contains(text, c.Path) {
					t.Errorf("the message does not name both wheels and the path: %s", text)
				}
			}
		})
	}
}

// TestOver settles a conflict the same way in both orders.
func TestOver(t *testing.T) {
	t.Parallel()
	for _, winner := range []string{"a", "b"} {
		for _, order := range []string{"ab", "ba"} {
			readers := map[byte]*wheel.Reader{
				'a': open(t, wheeltest.New("a-1.0-py3-none-any.whl", "shared.py", "of a", "same.py", "")),
				'b': open(t, wheeltest.New("b-1.0-py3-none-any.whl", "shared.py", "of b", "same.py", "")),
			}
			s := debian("3.12")
			s.Over = []install.Over{{Winner: "a", Loser: "b"}}
			if winner == "b" {
				s.Over = []install.Over{{Winner: "b", Loser: "a"}}
			}
			tree, err := install.Tree(s, readers[order[0]], readers[order[1]])
			if err != nil {
				t.Fatal(err)
			}
			got, err := fs.ReadFile(tree, "usr/local/lib/python3.12/dist-packages/shared.py")
			if err != nil || string(got) != "of "+winner {
				t.Errorf("%s over the other, in order %s: got %q, %v", winner, order, got, err)
			}
		}
	}
}

func TestOneDistributionTwice(t *testing.T) {
	t.Parallel()
	a := open(t, wheeltest.New("x-1.0-py3-none-any.whl", "x.py", "1"))
	b := open(t, wheeltest.New("X-2.0-py3-none-any.whl", "y.py", "1"))
	_, err := install.Tree(debian("3.12"), a, b)
	found, ok := errors.AsType[*install.ConflictError](err)
	if !ok || found.Conflicts[0].Message != "both are the distribution x" {
		t.Errorf("got %v, want a conflict of the distribution x", err)
	}
}

// TestInstalledTwice refuses a wheel that writes one path by two ways.
func TestInstalledTwice(t *testing.T) {
	t.Parallel()
	for name, members := range map[string][]string{
		"purelib":        {"x.py", "1", "x-1.0.data/purelib/x.py", "1"},
		"data bin":       {"x-1.0.data/data/bin/run", "1", "x-1.0.dist-info/entry_points.txt", "[console_scripts]\nrun = x:main\n"},
		"script":         {"x-1.0.data/data/bin/run", "1", "x-1.0.data/scripts/run", "1"},
		"under the file": {"x", "1", "x-1.0.data/platlib/x/y.py", "1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := install.Tree(debian("3.12"), open(t, wheeltest.New("x-1.0-py3-none-any.whl", members...)))
			found, ok := errors.AsType[*wheel.VerifyError](err)
			if !ok || found.Faults[0].Code != "installed-twice" {
				t.Errorf("got %v, want installed-twice", err)
			}
		})
	}
}

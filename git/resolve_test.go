package git_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/git"
)

func TestResolve(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.repo("up")
	r.write("a", "1")
	first := r.commit("one")
	r.git("tag", "-a", "v1.0", "-m", "v1.0")
	r.write("a", "2")
	second := r.commit("two")
	r.git("tag", "v1.1")
	r.write("a", "3")
	third := r.commit("three")
	r.git("branch", "release/1.x", second)
	r.git("update-ref", "refs/pull/7/head", second)

	for _, test := range []struct{ ref, want string }{
		{"main", third}, {"HEAD", third}, {"v1.0", first}, {"v1.1", second},
		{"release/1.x", second}, {"refs/heads/release/1.x", second}, {"tags/v1.0", first},
		{"refs/tags/v1.0", first}, {"refs/pull/7/head", second}, {"pull/7/head", second},
		{first, first}, {strings.ToUpper(first), first}, {first[:9], first}, {second[:7], second}, {third[:20], third},
	} {
		t.Run(test.ref, func(t *testing.T) {
			got, err := w.m.Resolve(t.Context(), git.Source{URL: r.url, Ref: test.ref})
			if err != nil {
				t.Fatal(err)
			}
			want := git.Commit{
				Hash: test.want, Time: time.Date(2026, 6, 3, 12, 0, 0, 0, time.UTC),
				Tree: r.git("rev-parse", test.want+"^{tree}"),
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestResolveMissing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.repo("up")
	r.commit("one")
	r.git("tag", "v1.0")
	r.git("branch", "v1.0", "HEAD")
	for ref, candidates := range map[string][]string{
		"v1.1":                     {"v1.0", "main"},
		"deadbeef":                 {"main", "v1.0"},
		strings.Repeat("0123", 10): {"main", "v1.0"},
	} {
		_, err := w.m.Resolve(t.Context(), git.Source{URL: r.url, Ref: ref})
		missing, ok := errors.AsType[*git.RefError](err)
		if !ok {
			t.Fatalf("%s: %v", ref, err)
		}
		want := &git.RefError{URL: r.url, Ref: ref, Candidates: candidates}
		if diff := cmp.Diff(want, missing); diff != "" {
			t.Error(diff)
		}
	}
}

// Among some hundred commits two begin with the same four digits; nothing but
// a fifth, or the branch that stands on one of them, tells them apart.
func TestResolveAmbiguousSHA(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.repo("up")
	r.fastImport(randomHistory(rand.New(rand.NewPCG(1, 1)), 900))
	first := make(map[string]string)
	var pair []string
	for commit := range strings.FieldsSeq(r.git("rev-list", "--all")) {
		if other, ok := first[commit[:4]]; ok {
			pair = []string{other, commit}
			break
		}
		first[commit[:4]] = commit
	}
	if pair == nil {
		t.Fatal("no two commits begin alike; choose another seed")
	}
	slices.Sort(pair)
	_, err := w.m.Resolve(t.Context(), git.Source{URL: r.url, Ref: pair[0][:4]})
	got, ok := errors.AsType[*git.AmbiguousError](err)
	if !ok {
		t.Fatal(err)
	}
	if diff := cmp.Diff(pair, got.Candidates); diff != "" {
		t.Error(diff)
	}
	n := 5
	for pair[0][:n] == pair[1][:n] {
		n++
	}
	w.take()
	for _, want := range pair {
		c, err := w.m.Resolve(t.Context(), git.Source{URL: r.url, Ref: want[:n]})
		if err != nil || c.Hash != want {
			t.Errorf("%s: %v, %v", want[:n], c, err)
		}
	}
	for _, request := range w.take() {
		if strings.HasPrefix(request, "POST") {
			t.Error("the commits are there, and yet a pack was asked for")
		}
	}
}

func TestResolveAmbiguous(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.repo("up")
	r.commit("one")
	r.git("tag", "v1.0")
	r.commit("two")
	r.git("branch", "v1.0")
	_, err := w.m.Resolve(t.Context(), git.Source{URL: r.url, Ref: "v1.0"})
	got, ok := errors.AsType[*git.AmbiguousError](err)
	if !ok {
		t.Fatal(err)
	}
	want := []string{"refs/tags/v1.0", "refs/heads/v1.0"}
	if diff := cmp.Diff(want, got.Candidates); diff != "" {
		t.Error(diff)
	}
}

package git_test

import (
	"errors"
	"testing"

	"github.com/sparkwheel/sparkwheel/git"
)

func TestDescribe(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.repo("up")
	bare := r.commit("before any tag")
	r.commit("one")
	r.git("tag", "-a", "v1.0", "-m", "v1.0")
	r.git("tag", "nodigits")
	r.commit("two")
	r.git("tag", "v1.1")
	r.gitAt("2026-06-03T13:00:00Z", "tag", "-a", "v1.1rc2", "-m", "younger")
	r.git("tag", "-a", "v1.1rc1", "-m", "older")
	tagged := r.git("rev-parse", "HEAD")
	r.commit("three")
	tip := r.commit("four")
	for _, commit := range []string{tagged, tip, tip + "~1", tip + "~3"} {
		want := r.git("describe", "--tags", "--long", "--abbrev=40", "--match", "*[0-9]*", commit)
		c := git.Commit{Hash: r.git("rev-parse", commit)}
		got, err := w.m.Describe(t.Context(), r.url, c, t.Output())
		if err != nil || got.String() != want {
			t.Errorf("%s: %v, %v, want %s", commit, got, err, want)
		}
	}
	if _, err := w.m.Describe(t.Context(), r.url, git.Commit{Hash: bare}, t.Output()); !errors.Is(err, git.ErrNoTag) {
		t.Errorf("before any tag: %v", err)
	}
}

// Offline, what a server's tags once said is said again, to the commit that was
// asked for and no other. Online a new tag counts at once.
func TestDescribeOffline(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.repo("up")
	bare := git.Commit{Hash: r.commit("before any tag")}
	middle := git.Commit{Hash: r.commit("one")}
	r.git("tag", "v1.0")
	tip := git.Commit{Hash: r.commit("two")}
	offline := *w.m
	offline.Offline = true
	ask := func(m *git.Mirrors, c git.Commit, want string, wantErr error) {
		t.Helper()
		d, err := m.Describe(t.Context(), r.url, c, t.Output())
		if !errors.Is(err, wantErr) || err == nil && d.String() != want {
			t.Errorf("%v, %v, want %s, %v", d, err, want, wantErr)
		}
	}
	ask(&offline, tip, "", git.ErrOffline)
	was, now := "v1.0-1-g"+tip.Hash, "v2.0-0-g"+tip.Hash
	ask(w.m, tip, was, nil)
	ask(w.m, bare, "", git.ErrNoTag)
	r.git("tag", "v2.0", tip.Hash)
	w.take()
	ask(&offline, tip, was, nil)
	ask(&offline, bare, "", git.ErrNoTag)
	ask(&offline, middle, "", git.ErrOffline)
	if asked := w.take(); asked != nil {
		t.Errorf("offline, %q was asked", asked)
	}
	ask(w.m, tip, now, nil)
	ask(&offline, tip, now, nil)
}

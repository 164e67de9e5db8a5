package git_test

import (
	"errors"
	"testing"
	"time"

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

// The answers are those that setuptools_scm gave.
func TestVersion(t *testing.T) {
	t.Parallel()
	date := time.Date(2026, 6, 3, 23, 59, 0, 0, time.UTC)
	for _, test := range []struct {
		tag      string
		distance int
		dirty    bool
		want     string
	}{
		{"v0.22.1rc0", 124, true, "0.22.1rc1.dev124+gace95c9cf.d20260603"},
		{"v0.22.1rc0", 124, false, "0.22.1rc1.dev124+gace95c9cf"},
		{"v0.22.0", 124, false, "0.22.1.dev124+gace95c9cf"},
		{"v0.22.1rc1", 0, true, "0.22.1rc2.dev0+gace95c9cf.d20260603"},
		{"v0.22.1rc1", 0, false, "0.22.1rc1"},
		{"v0.22", 3, false, "0.23.dev3+gace95c9cf"},
		{"v0.22.0.post1", 3, false, "0.22.0.post2.dev3+gace95c9cf"},
		{"v0.9.0+cpu", 2, false, "0.9.1.dev2+cpu.gace95c9cf"},
		{"v0.9.0+cpu", 0, false, "0.9.0+cpu"},
		{"v0.9.0+cpu", 0, true, "0.9.1.dev0+cpu.gace95c9cf.d20260603"},
		{"v0.9.0+CPU-x_01", 2, false, "0.9.1.dev2+cpu.x.1.gace95c9cf"},
		{"v0.22.1.dev5", 0, false, "0.22.1.dev5"},
		{"v0.6.0.dev0", 0, true, "0.6.0.dev0+gace95c9cf.d20260603"},
		{"v1.0.0.0.4", 2, false, "1.0.0.0.5.dev2+gace95c9cf"},
		{"1.0alpha", 1, false, "1.0a1.dev1+gace95c9cf"},
		{"v1!2.0", 1, false, "1!2.1.dev1+gace95c9cf"},
		{"2024.01.05", 1, false, "2024.1.6.dev1+gace95c9cf"},
		{"v1.0-1", 1, false, "1.0.post2.dev1+gace95c9cf"},
		{"1.0.post", 1, false, "1.0.post1.dev1+gace95c9cf"},
		{"rel-1.2", 1, false, "1.3.dev1+gace95c9cf"},
		{"v1.0rc", 2, false, "1.0rc1.dev2+gace95c9cf"},
		{"V1.0-beta.2", 1, false, "1.0b3.dev1+gace95c9cf"},
		{"vllm-0.6.0.dev0", 5, false, "0.6.0.dev5+gace95c9cf"},
	} {
		d := git.Description{Tag: test.tag, Distance: test.distance, Hash: "ace95c9cf0123456789012345678901234567890"}
		if got, err := d.Version(test.dirty, date); err != nil || got != test.want {
			t.Errorf("%s-%d: %q, %v, want %q", test.tag, test.distance, got, err, test.want)
		}
	}
	for _, tag := range []string{"v0.22.1.dev5", "nightly", "", "release/1.0", "a1b", "v1.2.x3"} {
		d := git.Description{Tag: tag, Distance: 3, Hash: "ace95c9cf0123456789012345678901234567890"}
		if got, err := d.Version(false, date); err == nil {
			t.Errorf("%q gave %q", tag, got)
		}
	}
}

package git_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sparkwheel/sparkwheel/git"
)

// A mirror that was damaged on disk is found out and fetched anew.
func TestCheckoutHealsMirror(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.repo("up")
	r.write("f", strings.Repeat("some text\n", 500)+r.url)
	c := git.Commit{Hash: r.commit("one")}
	for _, harm := range []struct {
		name, glob string
		do         func(file string) error
	}{
		{"pack lost", "*.git/objects/pack/*.pack", os.Remove},
		{"index lost", "*.git/objects/pack/*.idx", os.Remove},
		{"pack cut", "*.git/objects/pack/*.pack", func(f string) error { return os.Truncate(f, 100) }},
		{"pack changed", "*.git/objects/pack/*.pack", func(f string) error {
			text, err := os.ReadFile(f)
			if err == nil {
				text[len(text)/2] ^= 1
				err = os.WriteFile(f, text, 0o644)
			}
			return err
		}},
		{"index cut", "*.git/objects/pack/*.idx", func(f string) error { return os.Truncate(f, 100) }},
	} {
		if err := w.m.Fetch(t.Context(), r.url, c, "", t.Output()); err != nil {
			t.Fatal(err)
		}
		files, err := filepath.Glob(filepath.Join(w.m.Dir, harm.glob))
		if err != nil || len(files) == 0 {
			t.Fatal(err, files)
		}
		for _, f := range files {
			if err := errors.Join(os.Chmod(f, 0o644), harm.do(f)); err != nil {
				t.Fatal(err)
			}
		}
		dir := filepath.Join(t.TempDir(), "tree")
		if _, err := w.m.Checkout(t.Context(), r.url, c, dir, git.CheckoutOptions{Verify: true}, t.Output()); err != nil {
			t.Errorf("%s: %v", harm.name, err)
		}
		if info, err := os.Stat(filepath.Join(dir, "f")); err != nil || info.Size() < 5000 {
			t.Errorf("%s: %v, %v", harm.name, info, err)
		}
	}
}

// Whatever byte of a mirror is turned, what is written is right or nothing is,
// and an online run mends it.
func TestCheckoutNeverWritesDamage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.repo("up")
	r.write("text", strings.Repeat("some text\n", 100)+noise(1000))
	r.write("dir/noise", noise(3000))
	c := git.Commit{Hash: r.commit("one")}
	if err := w.m.Fetch(t.Context(), r.url, c, "", t.Output()); err != nil {
		t.Fatal(err)
	}
	want := archive(t, r, c.Hash)
	file := theOne(t, w.m.Dir+"/*.git/objects/pack/*.pack")
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	offline := *w.m
	offline.Offline = true
	refused := 0
	for at := 12; at < len(whole)-20; at += len(whole) / 40 {
		damaged := append([]byte(nil), whole...)
		damaged[at] ^= 0x20
		if err := errors.Join(os.Chmod(file, 0o644), os.WriteFile(file, damaged, 0o644)); err != nil {
			t.Fatal(err)
		}
		parent := t.TempDir()
		dir := filepath.Join(parent, "tree")
		if _, err := offline.Checkout(t.Context(), r.url, c, dir, git.CheckoutOptions{}, t.Output()); err != nil {
			refused++
			if left, err := os.ReadDir(parent); len(left) > 0 || err != nil {
				t.Errorf("byte %d: left %v, %v", at, left, err)
			}
			continue
		}
		got := readTree(t, dir)
		delete(got, ".")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("byte %d: %s", at, diff)
		}
	}
	if refused < 35 {
		t.Errorf("of some 40 damaged mirrors, %d were refused", refused)
	}
	if err := os.WriteFile(file, append(whole[:200:200], make([]byte, len(whole)-200)...), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := git.CheckMirror(t.Context(), w.m.Path(r.url)); err == nil {
		t.Error("the check of the mirror found nothing")
	}
	if _, err := w.m.Checkout(t.Context(), r.url, c, filepath.Join(t.TempDir(), "tree"), git.CheckoutOptions{Verify: true}, t.Output()); err != nil {
		t.Error(err)
	}
	if err := git.CheckMirror(t.Context(), w.m.Path(r.url)); err != nil {
		t.Error(err)
	}
}

// theOne is the one file that a pattern finds.
func theOne(t *testing.T, pattern string) string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) != 1 {
		t.Fatalf("%s: %q, %v", pattern, files, err)
	}
	return files[0]
}

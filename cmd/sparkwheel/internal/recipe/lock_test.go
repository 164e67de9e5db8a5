package recipe

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/imagename"
)

func tarFile(path string) imagename.Name { return imagename.Name{Transport: imagename.Tar, Path: path} }

func testLock(r *Recipe) *Lock {
	return &Lock{
		Version: LockVersion, Recipe: r.Name, RecipeDigest: r.Digest, Platform: "linux/arm64", Python: "3.12",
		Base: LockedBase{Reference: tarFile("/b.tar"), Index: "sha256:0", Digest: "sha256:1", Interpreter: "/usr/bin/python3"},
		UV:   []LockedUV{{"0.13.9", "linux/arm64", "uv.whl", "u", "2", 3}},
		Packages: NewPackages(Packages{Image: []string{"vim"}, Build: []string{"cmake"}}, []LockedDeb{
			{Name: "vim", Version: "2:9.0-1", Architecture: "arm64", URL: "u", SHA256: "4", Size: 5},
			{Name: "cmake", Version: "3.28", Architecture: "arm64", URL: "u", SHA256: "6", Size: 7, BuildOnly: true},
		}),
		Sources: []LockedSource{{
			Name: "a", URL: "https://example.com/a.git", Ref: "main", Commit: strings.Repeat("c", 40),
			Time: time.Date(2026, 6, 3, 9, 56, 43, 0, time.UTC), Tree: strings.Repeat("d", 40), Version: "1.0",
			Submodules: []LockedSubmodule{{Path: "3rdparty/x", URL: "https://example.com/x.git", Commit: strings.Repeat("e", 40)}},
		}},
		Files:  []LockedFile{{"f", "https://example.com/f", strings.Repeat("1", 64), 5}},
		Wheels: []LockedWheel{{Name: "a", LockedSet: NewSet("a", []byte("lock-version = \"1.0\"\n"))}},
	}
}

func saved(t *testing.T) (*Recipe, *Lock, string) {
	t.Helper()
	r, err := Parse("r", "", []byte(minimal))
	if err != nil {
		t.Fatal(err)
	}
	l := testLock(r)
	path := filepath.Join(t.TempDir(), "deep", "sparkwheel.lock")
	if err := l.Save(path); err != nil {
		t.Fatal(err)
	}
	return r, l, path
}

func TestLockRoundTrip(t *testing.T) {
	t.Parallel()
	r, want, path := saved(t)
	got, err := LoadLock(path, r)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lock (-saved +loaded):\n%s", diff)
	}
	first, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := got.Save(path); err != nil {
		t.Fatal(err)
	}
	second, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(first), string(second)); diff != "" {
		t.Errorf("saving again changed the lock:\n%s", diff)
	}
}

func TestLoadLockRefuses(t *testing.T) {
	t.Parallel()
	r, _, path := saved(t)
	if _, err := LoadLock(path+"x", r); !errors.Is(err, ErrNoLock) {
		t.Errorf("no file gave %v", err)
	}
	other, err := Parse("r", "", []byte(minimal+"[image]\nworkdir = \"/w\"\n"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = LoadLock(path, other)
	wantMismatch(t, err, "recipe r has changed since it was locked; run `sparkwheel lock -r r --lock ")
	if edited, _ := errors.AsType[*MismatchError](err); edited == nil || edited.Edited == nil || edited.Edited.Runtime != nil || len(edited.Edited.Wheels[0].Text) == 0 {
		t.Errorf("the error does not hold the lock with its pylocks: %v", err)
	}
	other.Name = "q"
	_, err = LoadLock(path, other)
	wantMismatch(t, err, "made from recipe r, not from q")
	if edited, _ := errors.AsType[*MismatchError](err); edited == nil || edited.Edited != nil {
		t.Error("another recipe's lock could be edited")
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(path), "pylock.a.toml"), []byte("edited"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = LoadLock(path, r)
	wantMismatch(t, err, "pylock.a.toml was changed by hand")
}

// An edit that changes nothing of what a recipe says leaves its lock fitting, and
// so does a lock of the time when locks had the digest of the text.
func TestMade(t *testing.T) {
	t.Parallel()
	first, err := Parse("r", "", []byte(minimal))
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		text string
		same bool
	}{
		"itself":         {minimal, true},
		"a comment":      {minimal + "# why\n", true},
		"blank lines":    {"\n\n" + strings.ReplaceAll(minimal, "\n", "\n\n"), true},
		"windows":        {"\xef\xbb\xbf" + strings.ReplaceAll(minimal, "\n", "\r\n"), true},
		"spaces":         {strings.ReplaceAll(minimal, " = ", "="), true},
		"quotes":         {strings.ReplaceAll(minimal, `"`, "'"), true},
		"one more table": {minimal + "[image]\nworkdir = \"/w\"\n", false},
		"another value":  {strings.Replace(minimal, `"main"`, `"v2"`, 1), false},
	} {
		r, err := Parse("r", "", []byte(tt.text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := r.Made(first.Digest); got != tt.same {
			t.Errorf("%s: the lock fits: %v, want %v", name, got, tt.same)
		}
		if got := r.Made(first.TextDigest); got != (tt.text == minimal) {
			t.Errorf("%s: the old lock fits: %v", name, got)
		}
	}
}

// What was asked for instead of the recipe's words holds as long as the recipe
// still says these.
func TestOverridesAreRemembered(t *testing.T) {
	t.Parallel()
	r, l, path := saved(t)
	l.Sources[0].Ref = "v9"
	l.Base.Reference = tarFile("/other.tar")
	l.Remember(r)
	if err := l.Save(path); err != nil {
		t.Fatal(err)
	}
	l, err := ReadLock(path)
	if err != nil {
		t.Fatal(err)
	}
	want := Override{Refs: map[string]string{"a": "v9"}, Base: tarFile("/other.tar")}
	if diff := cmp.Diff(want, l.Overrides(r)); diff != "" {
		t.Errorf("overrides (-want +got):\n%s", diff)
	}
	edited, err := r.With(Override{Refs: map[string]string{"a": "v3"}, Base: tarFile("/third.tar")})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Override{Refs: map[string]string{}}, l.Overrides(edited)); diff != "" {
		t.Errorf("overrides after the recipe's own ref was edited (-want +got):\n%s", diff)
	}
}

// A lock that is not there is told with the one that may be meant.
func TestMissingLockNamesTheNearest(t *testing.T) {
	t.Parallel()
	r, _, path := saved(t)
	typo := filepath.Join(filepath.Dir(path), "sparkwhel.lock")
	_, err := LoadLock(typo, r)
	if want := "no lock at " + typo + " (there is " + path + "); run `sparkwheel lock -r r --lock " + typo + "`"; err == nil || err.Error() != want {
		t.Errorf("LoadLock: %v, want %s", err, want)
	}
	empty := filepath.Join(t.TempDir(), "x.lock")
	if _, err := LoadLock(empty, r); err == nil || err.Error() != "no lock at "+empty+"; run `sparkwheel lock -r r --lock "+empty+"`" {
		t.Errorf("LoadLock: %v", err)
	}
}

// A key of another version costs no pins; what is no TOML is not overwritten.
func TestReadLockOfAnotherTime(t *testing.T) {
	t.Parallel()
	r, _, path := saved(t)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append([]byte("bygone = 1\n"), text...), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = LoadLock(path, r)
	wantMismatch(t, err, "unknown key bygone")
	l, err := ReadLock(path)
	if err != nil || len(l.Sources) != 1 || len(l.Wheels[0].Text) == 0 {
		t.Errorf("ReadLock: %v, %+v", err, l)
	}
	if err := os.WriteFile(path, []byte("<<<<<<< ours\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = ReadLock(path)
	wantMismatch(t, err, "restore it, or delete it to lose its pins")
}

func wantMismatch(t *testing.T, err error, text string) {
	t.Helper()
	if !errors.As(err, new(*MismatchError)) || !strings.Contains(err.Error(), text) {
		t.Errorf("error %v is no mismatch that says %q", err, text)
	}
}

func TestCovers(t *testing.T) {
	t.Parallel()
	r, l, path := saved(t)
	if err := l.Covers(path, r, Override{Refs: map[string]string{"a": "main"}, Base: tarFile("/b.tar")}); err != nil {
		t.Errorf("what the lock holds gave %v", err)
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	relative, err := filepath.Rel(here, "/b.tar")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Covers(path, r, Override{Base: tarFile(relative)}); err != nil {
		t.Error(err)
	}
	wantMismatch(t, l.Covers(path, r, Override{Base: imagename.Name{Transport: imagename.OCI, Path: "/b.tar"}}), "--base oci:/b.tar`")
	wantMismatch(t, l.Covers(path, r, Override{Refs: map[string]string{"a": "v2"}}), "--ref a=v2`")
	wantMismatch(t, l.Covers(path, r, Override{Base: tarFile("/c.tar")}), "--base tar:/c.tar`")
}

func TestDiff(t *testing.T) {
	t.Parallel()
	r, before, _ := saved(t)
	after := testLock(r)
	after.Sources[0].Commit = strings.Repeat("f", 40)
	after.Base.Digest = "sha256:9"
	after.Files[0].SHA256 = strings.Repeat("2", 64)
	after.Packages.Debs = []LockedDeb{{Name: "vim", Version: "2:9.1-1"}, {Name: "xxd", Version: "1"}}
	want := []string{
		"base: sha256:1 -> sha256:9",
		"package cmake: 3.28 -> none",
		"package vim: 2:9.0-1 -> 2:9.1-1",
		"package xxd: none -> 1",
		"a: main " + before.Sources[0].Commit + " -> main " + after.Sources[0].Commit,
		"file f: " + before.Files[0].SHA256 + " -> " + after.Files[0].SHA256,
	}
	if diff := cmp.Diff(want, Diff(before, after)); diff != "" {
		t.Errorf("Diff (-want +got):\n%s", diff)
	}
}

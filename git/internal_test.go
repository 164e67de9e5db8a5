package git

import (
	"encoding/hex"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func rawTree(entries ...string) []byte {
	var b strings.Builder
	for _, e := range entries {
		b.WriteString(e + "\x00" + strings.Repeat("\x11", 20))
	}
	return []byte(b.String())
}

// attacks are trees that no checkout may write.
var attacks = map[string][]byte{
	"dot dot":            rawTree("40000 .."),
	"dot":                rawTree("40000 ."),
	"empty name":         rawTree("100644 "),
	"slash":              rawTree("100644 a/b"),
	"absolute":           rawTree("100644 /etc/passwd"),
	"backslash":          rawTree(`100644 a\b`),
	"dash":               rawTree("100644 --upload-pack=sh"),
	".git":               rawTree("40000 .git"),
	".GIT file":          rawTree("100644 .GIT"),
	".git link":          rawTree("120000 .gIt"),
	".git submodule":     rawTree("160000 .git"),
	"HFS ignorable":      rawTree("40000 .g\u200cit"),
	"HFS byte order":     rawTree("40000 \ufeff.git"),
	"dotless i":          rawTree("40000 .g\u0131t"),
	"NTFS short":         rawTree("40000 GIT~1"),
	"NTFS dots":          rawTree("40000 .git. . "),
	"NTFS stream":        rawTree("40000 .git::$INDEX_ALLOCATION"),
	"same file twice":    rawTree("100644 a", "100644 a"),
	"file below a link":  rawTree("120000 a", "40000 a"),
	".gitmodules link":   rawTree("120000 .gitmodules"),
	".gitmodules NTFS":   rawTree("120000 GITMOD~1"),
	"a device":           rawTree("20644 null"),
	"setuid":             rawTree("104755 sh"),
	"padded mode":        rawTree("040000 a"),
	"no mode":            []byte("a"),
	"cut short":          rawTree("100644 a")[:20],
	"no NUL":             []byte("100644 abcdef"),
	"name beyond bounds": rawTree("100644 " + strings.Repeat("a", 256)),
}

func TestParseTreeRefuses(t *testing.T) {
	t.Parallel()
	for name, raw := range attacks {
		if entries, err := parseTree(raw); err == nil {
			t.Errorf("%s: %q passed as %v", name, raw, entries)
		}
	}
}

func TestParseTree(t *testing.T) {
	t.Parallel()
	names := []string{"100644 .gitignore", "100755 git~10", "40000 .github", "160000 sub", "120000 .gitattributes", "100664 ü -x", "100644 git"}
	entries, err := parseTree(rawTree(names...))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name)
	}
	if diff := cmp.Diff([]string{".gitignore", "git~10", ".github", "sub", ".gitattributes", "ü -x", "git"}, got); diff != "" {
		t.Error(diff)
	}
}

// What --verify reads back is compared in every respect that a tree has.
func TestVerify(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, err := range []error{
		os.WriteFile(filepath.Join(dir, "file"), []byte("hello\n"), 0o644),
		os.Mkdir(filepath.Join(dir, "sub"), 0o755),
		os.WriteFile(filepath.Join(dir, "sub", "run"), nil, 0o755),
		os.Symlink("file", filepath.Join(dir, "link")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	// `git write-tree` gives this tree the same name.
	p := &planned{commit: Commit{Tree: "923867cde2f741454cce251498098a743ce292e3"}}
	if err := p.verify(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(path string) error{
		"file":    func(path string) error { return os.WriteFile(path, []byte("hallo\n"), 0o644) },
		"sub/run": func(path string) error { return os.Chmod(path, 0o644) },
		"link":    func(path string) error { return errors.Join(os.Remove(path), os.Symlink("fil", path)) },
		"more":    func(path string) error { return os.WriteFile(path, nil, 0o644) },
	} {
		changed := filepath.Join(t.TempDir(), "tree")
		if err := exec.CommandContext(t.Context(), "cp", "-a", dir, changed).Run(); err != nil {
			t.Fatal(err)
		}
		if err := p.verify(t.Context(), changed); err != nil {
			t.Fatal(err)
		}
		if err := change(filepath.Join(changed, name)); err != nil {
			t.Fatal(err)
		}
		if err := p.verify(t.Context(), changed); err == nil {
			t.Errorf("a change of %s passed", name)
		}
	}
}

func FuzzParseTree(f *testing.F) {
	for _, raw := range attacks {
		f.Add(raw)
	}
	f.Add(rawTree("100644 a", "40000 b", "160000 c"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		entries, err := parseTree(raw)
		if err != nil {
			return
		}
		size := 0
		for _, e := range entries {
			if e.Name == "" || strings.ContainsAny(e.Name, "/\\\x00") || strings.EqualFold(e.Name, ".git") || e.Name == ".." {
				t.Fatalf("the name %q passed", e.Name)
			}
			size += len(e.Name) + 22
		}
		if size > len(raw) {
			t.Fatalf("%d entries of %d bytes", len(entries), len(raw))
		}
	})
}

func TestAddress(t *testing.T) {
	t.Parallel()
	m := &Mirrors{Rewrites: []Rewrite{
		{"https://github.com/", "http://127.0.0.1:8000/"},
		{"https://github.com/vllm-project/", "https://mirror.example/vllm/"},
		{"git@github.com:", "https://github.example/"},
		{"https://local.example/", "file:///srv/git/"},
		{"https://alias.example/", "git@forge:"},
	}}
	for raw, want := range map[string]string{
		"https://github.com/flashinfer-ai/flashinfer": "http://127.0.0.1:8000/flashinfer-ai/flashinfer",
		"https://github.com/vllm-project/vllm":        "https://mirror.example/vllm/vllm",
		"git@github.com:org/repo.git":                 "https://github.example/org/repo.git",
		"https://local.example/a":                     "file:///srv/git/a",
		"https://[::1]:8443/a":                        "https://[::1]:8443/a",
		"https://github.com/../../etc":                "",
		"https://local.example/../etc":                "",
		"file:///etc":                                 "",
		"/etc":                                        "",
		"ext::sh -c id":                               "",
		"ext::sh":                                     "",
		"fd::17":                                      "",
		"ssh://-oProxyCommand=id/x":                   "",
		"ssh://git@host.example/x":                    "ssh git@host.example /x",
		"ssh://git@host.example:2222/~me/x.git":       "ssh ssh://git@host.example:2222 ~me/x.git",
		"ssh://[::1]/x":                               "ssh ::1 /x",
		"ssh://git@[::1]:22/x":                        "ssh ssh://git@[::1]:22 /x",
		"git+ssh://host.example/x":                    "ssh host.example /x",
		"git@host.example:org/x.git":                  "ssh git@host.example org/x.git",
		"forge:org/x.git":                             "ssh forge org/x.git",
		"git@[::1]:org/x":                             "ssh git@::1 org/x",
		"https://alias.example/org/x":                 "ssh git@forge org/x",
		"ssh://git:secret@host.example/x":             "",
		"ssh://host.example":                          "",
		"ssh://host.example/":                         "",
		"ssh://host.example:22x/x":                    "",
		"ssh://a@b@host.example/x":                    "",
		"ssh://$(id)@host.example/x":                  "",
		"git@-oProxyCommand=id:x":                     "",
		"-oProxyCommand=id:x":                         "",
		"git@host.example:-x":                         "",
		"git@host.example:":                           "",
		"git@ho;st:x":                                 "",
		"../x":                                        "",
		"file://host.example/x":                       "",
		"git://host.example/x":                        "",
		"-u":                                          "",
		"https://-host.example/x":                     "",
		"https:///x":                                  "",
		"":                                            "",
		"https://host.example/a\nb":                   "",
		`https://host.example\@evil.example/`:         "",
		"https://user:secret@host.example/a\x7f":      "",
	} {
		a, err := m.address(raw)
		got := ""
		switch {
		case a.url != nil:
			got = a.url.String()
		case a.scheme == "file":
			got = "file://" + a.path
		default:
			got = strings.TrimSpace(a.scheme + " " + a.host + " " + a.path)
		}
		switch {
		case err == nil && got != want:
			t.Errorf("%q: %s, want %q", raw, got, want)
		case err != nil && want != "":
			t.Errorf("%q: %v", raw, err)
		case err != nil && strings.Contains(err.Error(), "secret"):
			t.Errorf("%q: the error tells the password: %v", raw, err)
		}
	}
}

func TestRelativeURL(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ base, raw, want string }{
		{"https://h.example/org/top.git", "../mid.git", "https://h.example/org/mid.git"},
		{"https://h.example/org/top/", "../../other/x", "https://h.example/other/x"},
		{"https://h.example/org/top", "./sub", "https://h.example/org/top/sub"},
		{"https://h.example/org/top", "https://o.example/x", "https://o.example/x"},
		{"https://h.example/top", "../../x", ""},
		{"git@h.example:org/top", "../x", "git@h.example:org/x"},
		{"git@h.example:/srv/org/top", "../../x", "git@h.example:/srv/x"},
		{"git@h.example:top", "../../x", ""},
		{"ssh://git@h.example:22/org/top", "../x", "ssh://git@h.example:22/org/x"},
		{"file:///home/me/a%20b/top", "../x", "file:///home/me/a%20b/x"},
		{"not a URL", "../x", ""},
	} {
		got, err := relativeURL(test.base, test.raw)
		if got != test.want || (err == nil) != (test.want != "") {
			t.Errorf("%s seen from %s: %q, %v", test.raw, test.base, got, err)
		}
	}
}

func TestCheckRef(t *testing.T) {
	t.Parallel()
	for _, ref := range []string{"main", "v0.22.1", "refs/pull/12/head", "release/1.x", "HEAD", "v1.0+cpu"} {
		if err := checkRef(ref); err != nil {
			t.Error(err)
		}
	}
	for _, ref := range []string{"", "-x", "--upload-pack=id", "a..b", "a b", "a~1", "a^", "a:b", "a?", "a*", "a[", `a\b`, "a\n", "a@{1}", "a.lock", "a/", "a//b", "a.", "\x7f"} {
		if err := checkRef(ref); err == nil {
			t.Errorf("%q passed", ref)
		}
	}
}

func TestMirrorKey(t *testing.T) {
	t.Parallel()
	key := mirrorKey("https://h.example/org/repo")
	for _, same := range []string{"https://h.example/org/repo.git", "https://h.example/org/repo/", "https://u:p@h.example/org/repo"} {
		if mirrorKey(same) != key {
			t.Errorf("%s has a mirror of its own", same)
		}
	}
	if mirrorKey("https://h.example/org/repo2") == key {
		t.Error("two repositories share a mirror")
	}
	if raw, err := hex.DecodeString(key); err != nil || len(raw) < 16 {
		t.Errorf("the key %q", key)
	}
}

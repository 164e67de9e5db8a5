package index_test

import (
	"crypto/md5" //nolint:gosec // what the index gives
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/requirements/marker"
	"github.com/sparkwheel/sparkwheel/wheel"
	"github.com/sparkwheel/sparkwheel/wheel/index"
)

// unhashed is what uv 0.13.9 writes of an index that gives md5 for one file and
// nothing for others.
const unhashed = head + `
[[packages]]
name = "x"
version = "1.0"
wheels = [{ url = "https://h.test/x-1.0-py3-none-any.whl", hashes = { md5 = "4816106051d1b1e2b048428fc27983ed" } }]

[[packages]]
name = "y"
version = "2.0"
wheels = [
    { url = "https://h.test/y-2.0-cp311-cp311-linux_x86_64.whl" },
    { url = "https://h.test/y-2.0-py3-none-any.whl", size = 3, hashes = {} },
    { url = "https://h.test/z.whl", note = "a } \" b", upload-time = 2026-03-04T05:06:07Z },
]
`

func TestUnhashed(t *testing.T) {
	t.Parallel()
	lock, err := index.ParsePylock("pylock.x.toml", []byte(unhashed))
	if err != nil {
		t.Fatal(err)
	}
	tags, env := wheel.Supported("3.12", wheel.Platforms(39, "aarch64")), marker.Linux("3.12.3", "aarch64")
	var names []string
	for _, f := range lock.Unhashed(tags, env) {
		names = append(names, f.Name)
	}
	if diff := cmp.Diff([]string{"x-1.0-py3-none-any.whl", "y-2.0-py3-none-any.whl"}, names); diff != "" {
		t.Error(diff)
	}
	if _, err := lock.Select(tags, env); err == nil || !strings.Contains(err.Error(), "x 1.0 has no sha256 of the wheel to install") {
		t.Error(err)
	}
	text := []byte(unhashed)
	for _, f := range lock.Unhashed(tags, env) {
		if text, err = index.AddSHA256(text, f.URL, sumA); err != nil {
			t.Fatal(err)
		}
	}
	want := strings.NewReplacer(
		`hashes = { md5`, `hashes = { sha256 = "`+sumA+`", md5`,
		`hashes = {}`, `hashes = { sha256 = "`+sumA+`" }`).Replace(unhashed)
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("the text (-want +got):\n%s", diff)
	}
	if lock, err = index.ParsePylock("pylock.x.toml", text); err != nil {
		t.Fatal(err)
	}
	if pins, err := lock.Select(tags, env); err != nil || len(pins) != 2 || pins[0].SHA256 != sumA {
		t.Errorf("%v, %v", pins, err)
	}
	text, err = index.AddSHA256(text, "https://h.test/z.whl", sumA)
	if err != nil || !strings.Contains(string(text), `05:06:07Z, hashes = { sha256 = "`+sumA+`" } },`) {
		t.Errorf("%v: %s", err, text)
	}
}

func TestAddSHA256Refuses(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"not there":    unhashed,
		"twice":        `{ url = "https://h/a" } { url = "https://h/a" }`,
		"not inline":   "[[packages.wheels]]\nurl = \"https://h/a\"\n",
		"cut off":      `wheels = [{ url = "https://h/a"`,
		"in a comment": "# url = \"https://h/a\"\n",
	} {
		if got, err := index.AddSHA256([]byte(text), "https://h/a", sumA); err == nil {
			t.Errorf("%s became %s", name, got)
		}
	}
}

// What the index did give of a file is held against it.
func TestCheckOther(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, []byte("content"), 0o644); err != nil {
		t.Fatal(err)
	}
	sum := md5.Sum([]byte("content"))
	right := hex.EncodeToString(sum[:])
	for _, hashes := range []map[string]string{nil, {"md5": right}, {"MD5": strings.ToUpper(right)}, {"blake2b": "unknown"}} {
		if err := (index.File{Hashes: hashes}).CheckOther(path); err != nil {
			t.Errorf("%v: %v", hashes, err)
		}
	}
	for _, algorithm := range []string{"md5", "sha1", "sha224", "sha384", "sha512"} {
		err := index.File{Name: "f", Hashes: map[string]string{algorithm: "00"}}.CheckOther(path)
		if e, ok := errors.AsType[*index.MismatchError](err); !ok || e.Algorithm != algorithm || !strings.Contains(err.Error(), algorithm+" is ") {
			t.Errorf("%s: %v", algorithm, err)
		}
	}
}

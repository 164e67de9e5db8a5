package hosts_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/sparkwheel/sparkwheel/layer/archive"
	"github.com/sparkwheel/sparkwheel/layer/hosts"
	"github.com/sparkwheel/sparkwheel/layer/layout"
)

// docker answers as docker's API does, by path.
type docker map[string]func(http.ResponseWriter)

func (d docker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if answer, ok := d[r.URL.Path]; ok {
		answer(w)
		return
	}
	http.Error(w, `{"message":"No such image"}`, http.StatusNotFound)
}

func text(s string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) { _, _ = io.WriteString(w, s) }
}

func file(path string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		b, err := os.ReadFile(path)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_, _ = w.Write(b)
	}
}

func TestFindDocker(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	img, err := random.Image(5000, 2)
	if err != nil {
		t.Fatal(err)
	}
	id, _ := img.ConfigName()
	digest, _ := img.Digest()
	other, err := random.Image(100, 1)
	if err != nil {
		t.Fatal(err)
	}
	saved, layoutTar, otherTar := filepath.Join(dir, "docker.tar"), filepath.Join(dir, "oci.tar"), filepath.Join(dir, "other.tar")
	ref, err := name.NewTag("a/b:v1")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(
		tarball.WriteToFile(saved, ref, img),
		archive.WriteOCI(t.Context(), layoutTar, "v1", img),
		archive.WriteDocker(t.Context(), otherTar, "a/b:v1", other),
	); err != nil {
		t.Fatal(err)
	}
	classic, snapshotter := text(`{"DriverStatus":[["Backing Filesystem","extfs"]]}`), text(`{"DriverStatus":[["driver-type","io.containerd.snapshotter.v1"]]}`)
	short := func(w http.ResponseWriter) {
		w.Header().Set("Content-Length", "100000")
		_, _ = io.WriteString(w, "abc")
	}
	for name, test := range map[string]struct {
		found, opened v1.Hash
		answers       docker
		err           string
	}{
		"by its configuration": {id, id, docker{"/images/a/b:v1/json": text(`{"Id":"` + id.String() + `"}`), "/info": classic, "/images/" + id.String() + "/get": file(saved)}, ""},
		"by its manifest":      {v1.Hash{}, digest, docker{"/images/a/b:v1/json": text(`{"Id":"` + digest.String() + `"}`), "/info": snapshotter, "/images/" + digest.String() + "/get": file(layoutTar)}, ""},
		"another image comes":  {id, v1.Hash{}, docker{"/images/a/b:v1/json": text(`{"Id":"` + id.String() + `"}`), "/info": classic, "/images/" + id.String() + "/get": file(otherTar)}, "instead"},
		"another layout comes": {v1.Hash{}, v1.Hash{}, docker{"/images/a/b:v1/json": text(`{"Id":"` + id.String() + `"}`), "/info": snapshotter, "/images/" + id.String() + "/get": file(layoutTar)}, "has no tag"},
		"cut off":              {id, v1.Hash{}, docker{"/images/a/b:v1/json": text(`{"Id":"` + id.String() + `"}`), "/info": classic, "/images/" + id.String() + "/get": short}, "unexpected EOF"},
		"no ID":                {v1.Hash{}, v1.Hash{}, docker{"/images/a/b:v1/json": text(`{"Id":"sha256:../x"}`), "/info": classic}, "reading docker's answer"},
		"an error": {v1.Hash{}, v1.Hash{}, docker{"/images/a/b:v1/json": func(w http.ResponseWriter) {
			http.Error(w, `{"message":"no\u001b[2J"}`, http.StatusInternalServerError)
		}}, `docker answers 500 Internal Server Error: "no\x1b[2J"`},
		"none of that name": {v1.Hash{}, v1.Hash{}, docker{}, `docker does not have the image "a/b:v1"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(test.answers)
			t.Cleanup(server.Close)
			l := &hosts.Local{Docker: server.Client(), DockerURL: server.URL}
			scratch := t.TempDir()
			found, err := l.FindDocker(t.Context(), "a/b:v1", v1.Platform{})
			var img v1.Image
			var opened v1.Hash
			if err == nil {
				if found.Digest != test.found {
					t.Errorf("found %s, not %s", found.Digest, test.found)
				}
				img, opened, err = found.Open(t.Context(), scratch, filepath.Join(scratch, "cache"))
			}
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Errorf("%v, not %q", err, test.err)
				}
				return
			}
			if err != nil || opened != test.opened {
				t.Fatalf("opened %s, not %s: %v", opened, test.opened, err)
			}
			if err := validate.Image(img); err != nil {
				t.Error(err)
			}
		})
	}
}

// client is a script that stands for podman or ctr, in a directory for PATH.
func client(t *testing.T, program, script string) *hosts.Local {
	t.Helper()
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, program), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	return &hosts.Local{Env: []string{"PATH=" + bin + ":/usr/bin:/bin"}}
}

func TestFindPodman(t *testing.T) {
	t.Parallel()
	img, err := random.Image(5000, 2)
	if err != nil {
		t.Fatal(err)
	}
	id, _ := img.ConfigName()
	saved := filepath.Join(t.TempDir(), "docker.tar")
	if err := archive.WriteDocker(t.Context(), saved, "", img); err != nil {
		t.Fatal(err)
	}
	l := client(t, "podman", `case "$*" in
"image inspect --format {{.Id}} -- a") echo `+id.Hex+` ;;
"image inspect --format {{.Id}} -- strange") echo strange ;;
"image save --quiet --format docker-archive -- `+id.Hex+`") cat `+saved+` ;;
*) echo "Error: $6: image not known" >&2; exit 125
esac`)
	found, err := l.FindPodman(t.Context(), "a")
	if err != nil || found.Digest != id {
		t.Fatalf("found %v, %v", found, err)
	}
	dir := t.TempDir()
	got, opened, err := found.Open(t.Context(), dir, dir)
	if err != nil || opened != id {
		t.Fatalf("opened %s, %v", opened, err)
	}
	if err := validate.Image(got); err != nil {
		t.Error(err)
	}
	if _, err := l.FindPodman(t.Context(), "b"); err == nil || !strings.Contains(err.Error(), `podman does not have the image "b"`) {
		t.Errorf("none of that name: %v", err)
	}
	if _, err := l.FindPodman(t.Context(), "strange"); err == nil || !strings.Contains(err.Error(), "the image's ID") {
		t.Errorf("a strange ID: %v", err)
	}
	if _, err := (&hosts.Local{Env: []string{"PATH=" + dir}}).FindPodman(t.Context(), "a"); err == nil || !strings.Contains(err.Error(), "podman is not installed") {
		t.Errorf("no podman: %v", err)
	}
	broken := client(t, "podman", `case $2 in inspect) echo `+id.Hex+` ;; save) head -c 3000 `+saved+`; echo cut >&2; exit 1; esac`)
	if found, err = broken.FindPodman(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := found.Open(t.Context(), dir, filepath.Join(dir, "other")); err == nil || !strings.Contains(err.Error(), "exit code 1: cut") {
		t.Errorf("podman that fails on its way: %v", err)
	}
}

func TestFindContainerd(t *testing.T) {
	t.Parallel()
	img, err := random.Image(5000, 2)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	digest, err := layout.Write(t.Context(), dir, "v1", img)
	if err != nil {
		t.Fatal(err)
	}
	l := client(t, "ctr", `case "$1 $2 $3" in
"images ls name==docker.io/library/a:v1") echo "REF TYPE DIGEST SIZE"; echo "docker.io/library/a:v1 application/vnd.oci.image.manifest.v1+json `+digest.String()+` 1 KiB" ;;
"images ls "*) echo "REF TYPE DIGEST SIZE" ;;
"content get sha256:"*) cat "`+dir+`/blobs/sha256/${3#sha256:}" 2>/dev/null || { echo "ctr: content digest $3: not found" >&2; exit 1; } ;;
esac`)
	for _, ref := range []string{"a:v1", "docker.io/library/a:v1", digest.String()} {
		found, err := l.FindContainerd(t.Context(), ref, v1.Platform{})
		if err != nil || found.Digest != digest {
			t.Fatalf("%s: %v, %v", ref, found, err)
		}
		got, opened, err := found.Open(t.Context(), "", "")
		if err != nil || opened != digest {
			t.Fatalf("%s: opened %s, %v", ref, opened, err)
		}
		if err := validate.Image(got); err != nil {
			t.Errorf("%s: %v", ref, err)
		}
	}
	if _, err := l.FindContainerd(t.Context(), "b:v1", v1.Platform{}); err == nil || !strings.Contains(err.Error(), `containerd does not have the image "b:v1"`) {
		t.Errorf("none of that name: %v", err)
	}
	// As with discard_unpacked_layers: the image is there, a layer is not.
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	h, _ := layers[1].Digest()
	if err := os.Remove(filepath.Join(dir, "blobs", "sha256", h.Hex)); err != nil {
		t.Fatal(err)
	}
	found, err := l.FindContainerd(t.Context(), "a:v1", v1.Platform{})
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := found.Open(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(got); err == nil || !strings.Contains(err.Error(), "containerd no longer has "+h.String()) {
		t.Errorf("a layer that is gone: %v", err)
	}
}

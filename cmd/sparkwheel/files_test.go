package main

import (
	"archive/tar"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/sparkwheel/sparkwheel/layer/layout"
)

// A recipe's files are fetched once, stand in the image with fixed modes where
// the base's links lead, and come out of a bundle without a server.
func TestFilesFromLockToImage(t *testing.T) {
	t.Parallel()
	d := openDepot(t)
	out := filepath.Join(d.dir, "out")
	if got := d.mustRun("plan"); !strings.Contains(got, "file words: not cached: words.txt; downloads 4 B") {
		t.Errorf("plan before a fetch:\n%s", got)
	}
	digest := d.mustRun("build", "-o", out)
	want := map[string]string{
		"opt": "drwxr-xr-x", "opt/words": "drwxr-xr-x", "opt/words/words.txt": "-rw-r--r-- a\nb\n",
		"usr/lib/tool": "-rwxr-xr-x #!/bin/sh\n", "lib": "Lrwxrwxrwx",
	}
	if diff := cmp.Diff(want, d.inImage(out, want)); diff != "" {
		t.Errorf("in the image (-want +got):\n%s", diff)
	}
	if got := d.mustRun("plan"); got != "nothing to do: every stage is cached" {
		t.Errorf("plan after the build:\n%s", got)
	}
	if got := d.mustRun("plan", "--push", "127.0.0.1:9/a:1"); got != "push to 127.0.0.1:9/a:1: never made in this store" {
		t.Errorf("plan of a push after the build:\n%s", got)
	}
	if got := d.mustRun("fetch", "--json"); !strings.Contains(got, `"bytes_received":0`) && !strings.Contains(got, `"bytes_received": 0`) {
		t.Errorf("a second fetch brought something: %s", got)
	}
	bundle := filepath.Join(d.dir, "bundle")
	d.mustRun("fetch", "--bundle", bundle)
	d.server.Close()
	if got := d.mustRun("build", "--offline", "--store", bundle, "--lock", filepath.Join(bundle, "sparkwheel.lock"), "-o", filepath.Join(d.dir, "other")); got != digest {
		t.Errorf("from the bundle the digest is %s, online %s", got, digest)
	}
}

// inImage looks an image's flattened tree up at the paths of want.
func (d *depot) inImage(out string, want map[string]string) map[string]string {
	d.t.Helper()
	img, err := layout.Read(filepath.Join(out, "image"), "latest", v1.Platform{OS: "linux", Architecture: "arm64"})
	if err != nil {
		d.t.Fatal(err)
	}
	r := mutate.Extract(img)
	defer r.Close()
	got := map[string]string{}
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return got
		}
		if err != nil {
			d.t.Fatal(err)
		}
		if _, ok := want[h.Name]; !ok {
			continue
		}
		text, err := io.ReadAll(tr)
		if err != nil {
			d.t.Fatal(err)
		}
		got[h.Name] = strings.TrimSuffix(h.FileInfo().Mode().String()+" "+string(text), " ")
		if h.ModTime.Unix() != 315532800 && h.Typeflag == tar.TypeReg {
			d.t.Errorf("%s has the time %v", h.Name, h.ModTime)
		}
	}
}

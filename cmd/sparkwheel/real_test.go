package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The runtime set of vLLM 0.24.0 for arm64 becomes an image on a Debian root
// from published wheels alone, and its Python runs torch under emulation.
// SPARKWHEEL_BASE_ARM64 is such a root as a tar, to spare making it, and
// SPARKWHEEL_WHEELS a directory of wheels by their sha256, to spare the index.
func TestRealRuntimeImage(t *testing.T) {
	if os.Getenv("SPARKWHEEL_E2E_REAL") == "" {
		t.Skip("brings 4 GB, needs root, mmdebstrap, arch-test, qemu-user-static, skopeo and umoci: set SPARKWHEEL_E2E_REAL=1")
	}
	w := openWorkshop(t)
	base := os.Getenv("SPARKWHEEL_BASE_ARM64")
	if base == "" {
		base = filepath.Join(w.dir, "arm64.tar")
		c := w.command("", "mmdebstrap", "--arch=arm64", "--variant=minbase", "--include=python3,libstdc++6,libgomp1", "trixie", base)
		c.Env = append(c.Env, "SOURCE_DATE_EPOCH=1780272000")
		c.mustRun()
	}
	w.write("recipe.toml", fmt.Sprintf(realRuntimeRecipe, "3.13"))
	lock := filepath.Join(w.dir, "real.lock")
	w.sparkwheel("", "root", "lock", "--base", "tar:"+base, "--lock", lock).mustRun()
	wheels, err := filepath.Glob(filepath.Join(os.Getenv("SPARKWHEEL_WHEELS"), "sha256", "*"))
	w.must(err)
	for _, from := range wheels {
		err := os.Link(from, filepath.Join(w.dir, "root/store/blobs/sha256", filepath.Base(from)))
		if !errors.Is(err, fs.ErrExist) {
			w.must(err)
		}
	}
	began := time.Now()
	digest := w.sparkwheel("", "root", "build", "--lock", lock).mustRun()
	t.Logf("build, with what had to be fetched: %.1f s", time.Since(began).Seconds())
	layout := filepath.Join(w.dir, "root/out/image")
	copied := filepath.Join(w.dir, "copied")
	w.command("", "skopeo", "copy", "oci:"+layout+":latest", "dir:"+copied).mustRun()
	if got := w.command("", "skopeo", "inspect", "--format", "{{.Digest}}", "oci:"+layout+":latest").mustRun(); got != digest {
		t.Errorf("skopeo says %s, build said %s", got, digest)
	}
	w.must(os.RemoveAll(copied)) // the next takes 9 GB
	bundle := filepath.Join(w.dir, "unpacked")
	w.command("", "umoci", "unpack", "--image", layout+":latest", bundle).mustRun()
	root := filepath.Join(bundle, "rootfs")
	python := func(program string) string {
		return w.command("", "chroot", root, "/usr/bin/python3", "-c", program).mustRun()
	}
	if got := python("import torch; print(torch.__version__, int(torch.arange(6).sum()))"); got != "2.11.0+cu130 15" {
		t.Errorf("torch in the image says %q", got)
	}
	installed := python("import importlib.metadata as m; print(len({d.metadata['Name'] for d in m.distributions()}))")
	record, err := os.ReadFile(filepath.Join(w.dir, "root/out/build.json"))
	w.must(err)
	count := strings.Count(string(record), ".whl\"")
	t.Logf("%s: %s distributions of %d wheels", digest, installed, count)
	if installed != strconv.Itoa(count) {
		t.Errorf("the image has %s distributions of %d wheels", installed, count)
	}
}

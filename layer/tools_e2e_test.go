package layer_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/opencontainers/image-spec/schema"

	"github.com/sparkwheel/sparkwheel/layer"
	"github.com/sparkwheel/sparkwheel/layer/archive"
	"github.com/sparkwheel/sparkwheel/layer/layout"
)

func tool(t *testing.T, name string) func(args ...string) string {
	t.Helper()
	if os.Getenv("SPARKWHEEL_E2E") == "" {
		t.Skip("SPARKWHEEL_E2E is not set: real tools are not run")
	}
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("%s is not installed: apt-get install %s", name, name)
	}
	return func(args ...string) string {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s %q: %v\n%s", name, args, err, out)
		}
		return string(out)
	}
}

// wheelImage is an image of two layers: a small base and a wheel's files.
func wheelImage(t *testing.T, compression string) v1.Image {
	t.Helper()
	base := imageOf(t, tarOf(t, dir("usr"), dir("usr/bin"), symlink("bin", "usr/bin"), file("usr/bin/sh")))
	blob := write(t, wheelLike(t), layer.Options{Compression: compression, Comment: "vllm.whl"})
	img, err := layer.Append(base, layer.Config{Env: []string{"A=1"}, Entrypoint: []string{"/bin/sh"}}, blob)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func TestE2ESkopeo(t *testing.T) {
	t.Parallel()
	skopeo := tool(t, "skopeo")
	img := wheelImage(t, layer.Gzip)
	want, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if _, err := layout.Write(t.Context(), dir+"/lay", "t", img); err != nil {
		t.Fatal(err)
	}
	if err := archive.WriteOCI(t.Context(), dir+"/oci.tar", "t", img); err != nil {
		t.Fatal(err)
	}
	if err := archive.WriteDocker(t.Context(), dir+"/docker.tar", "a/b:t", img); err != nil {
		t.Fatal(err)
	}
	for _, from := range []string{"oci:" + dir + "/lay:t", "oci-archive:" + dir + "/oci.tar:t"} {
		got := skopeo("inspect", "--override-os=linux", "--format={{.Digest}}", from)
		if got != want.String()+"\n" {
			t.Errorf("skopeo inspect %s says %s, not %s", from, got, want)
		}
	}
	for i, from := range []string{"oci:" + dir + "/lay:t", "oci-archive:" + dir + "/oci.tar:t", "docker-archive:" + dir + "/docker.tar"} {
		skopeo("copy", from, fmt.Sprintf("dir:%s/copy%d", dir, i))
		skopeo("copy", from, fmt.Sprintf("docker-archive:%s/again%d.tar:a/b:t", dir, i))
	}
	// What skopeo wrote is read back.
	back, err := archive.ReadDocker(t.Context(), dir+"/again0.tar", "", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	got, err := unpack(t, back)
	if err != nil {
		t.Fatal(err)
	}
	ours, err := unpack(t, img)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(tree(t, ours), tree(t, got)); diff != "" {
		t.Errorf("through skopeo (-ours +theirs):\n%s", diff)
	}
}

func TestE2EUmoci(t *testing.T) {
	t.Parallel()
	umoci := tool(t, "umoci")
	img := wheelImage(t, layer.Gzip)
	dir := t.TempDir()
	if _, err := layout.Write(t.Context(), dir+"/lay", "t", img); err != nil {
		t.Fatal(err)
	}
	args := []string{"unpack", "--image", dir + "/lay:t", dir + "/bundle"}
	if os.Getuid() != 0 {
		args = append(args, "--rootless")
	}
	umoci(args...)
	ours, err := unpack(t, img)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(tree(t, filepath.Join(dir, "bundle", "rootfs")), tree(t, ours)); diff != "" {
		t.Errorf("unpacked trees differ (-umoci +ours):\n%s", diff)
	}
}

func TestSchema(t *testing.T) {
	t.Parallel()
	for _, compression := range []string{layer.Gzip, layer.Zstd, layer.None} {
		img := wheelImage(t, compression)
		dir := t.TempDir()
		if _, err := layout.Write(t.Context(), dir, "t", img); err != nil {
			t.Fatal(err)
		}
		m, err := img.Manifest()
		if err != nil {
			t.Fatal(err)
		}
		digest, err := img.Digest()
		if err != nil {
			t.Fatal(err)
		}
		for name, v := range map[string]schema.Validator{
			"index.json":                          schema.ValidatorMediaTypeImageIndex,
			"oci-layout":                          schema.ValidatorMediaTypeLayoutHeader,
			"blobs/sha256/" + digest.Hex:          schema.ValidatorMediaTypeManifest,
			"blobs/sha256/" + m.Config.Digest.Hex: schema.ValidatorMediaTypeImageConfig,
		} {
			f, err := os.DirFS(dir).Open(name)
			if err != nil {
				t.Fatal(err)
			}
			if err := v.Validate(f); err != nil {
				t.Errorf("%s %s: %v", compression, name, err)
			}
			f.Close()
		}
	}
}

package archive_test

import (
	"os"
	"path/filepath"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/sparkwheel/sparkwheel/layer/archive"
)

// FuzzArchives gives each reader of a file the same stranger's bytes.
func FuzzArchives(f *testing.F) {
	dir := f.TempDir()
	img := randomImage(f)
	for i, write := range []func(string) error{
		func(p string) error { return archive.WriteOCI(f.Context(), p, "t", img) },
		func(p string) error { return archive.WriteDocker(f.Context(), p, "a:t", img) },
	} {
		p := filepath.Join(dir, string(rune('a'+i)))
		if err := write(p); err != nil {
			f.Fatal(err)
		}
		b, err := os.ReadFile(p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add(rootTar(f, map[string][]byte{
		"manifest.json": []byte(`[{"Config":"../../etc/passwd","Layers":["manifest.json"]}]`),
	}, "manifest.json"))
	f.Add(rootTar(f, map[string][]byte{
		"manifest.json": []byte(`[{"Config":"c","Layers":["c"]}]`),
		"c":             []byte(`{"rootfs":{"type":"layers","diff_ids":["sha256:../../../../x"]}}`),
	}, "manifest.json", "c"))
	f.Fuzz(func(t *testing.T, content []byte) {
		top := t.TempDir()
		file, cache := filepath.Join(top, "file"), filepath.Join(top, "cache")
		if err := os.WriteFile(file, content, 0o644); err != nil {
			t.Fatal(err)
		}
		_, _ = archive.ReadOCI(t.Context(), file, "", v1.Platform{})
		_, _ = archive.ReadDocker(t.Context(), file, "", cache)
		_, _ = archive.Tar(t.Context(), file, cache)
		if names, _ := filepath.Glob(filepath.Join(top, "*")); len(names) > 2 {
			t.Errorf("written beside the cache: %q", names)
		}
	})
}

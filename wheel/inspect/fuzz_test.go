package inspect_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/wheel/inspect"
	"github.com/sparkwheel/sparkwheel/wheel/inspect/cuda"
)

// FuzzScanner gives the reader any file: whatever the size of the writes, it
// says the same, and it never panics.
func FuzzScanner(f *testing.F) {
	for _, h := range hostile {
		if b := h.make(); len(b) < 1<<16 {
			f.Add(b)
		}
	}
	f.Add(library.Bytes())
	f.Add(archiveOf(member("//", []byte("name.o/\n")), member("/0", library.Bytes())))
	names, err := filepath.Glob("testdata/nvcc/*.*")
	if err != nil || len(names) == 0 {
		f.Fatal(names, err)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		o := inspect.Options{Kernels: true, Symbols: true}
		whole, _, err := scan(content, 1<<20, o)
		parts, _, partsErr := scan(content, 97, o)
		if diff := cmp.Diff(whole, parts); diff != "" || (err == nil) != (partsErr == nil) {
			t.Errorf("in one write %v, in many %v (-one +many):\n%s", err, partsErr, diff)
		}
		target := cuda.Target{GPU: cuda.GPU{Major: 12, Minor: 1}, Driver: cuda.Version{Major: 13}}
		inspect.JudgeAll(whole, target)
		inspect.Policy{Target: target, Require: cuda.Native}.Check("x", inspect.Found{Files: whole})
	})
}

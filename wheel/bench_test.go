package wheel_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sparkwheel/sparkwheel/wheel"
	"github.com/sparkwheel/sparkwheel/wheel/wheeltest"
)

// benchWheel is a wheel of 2000 modules and one library: this test's own binary.
func benchWheel(b *testing.B) (path string, size int64) {
	b.Helper()
	library, err := os.ReadFile(os.Args[0])
	if err != nil {
		b.Fatal(err)
	}
	w := wheeltest.New(file, "x/library.so", string(library))
	text := strings.Repeat("def f(x):\n    return x + 1\n", 100)
	for i := range 2000 {
		w.Add(fmt.Sprintf("x/package%d/module%d.py", i%50, i), fmt.Sprintf("# %d\n", i)+text)
	}
	for _, m := range w.Members {
		size += int64(len(m.Content))
	}
	return w.Write(b, b.TempDir()), size
}

func BenchmarkOpen(b *testing.B) {
	path, _ := benchWheel(b)
	b.ReportAllocs()
	for b.Loop() {
		r, err := wheel.Open(path)
		if err != nil {
			b.Fatal(err)
		}
		r.Close()
	}
}

// BenchmarkVerify counts inflated bytes.
func BenchmarkVerify(b *testing.B) {
	path, size := benchWheel(b)
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := wheel.Verify(b.Context(), path); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseRecord(b *testing.B) {
	var text strings.Builder
	for i := range 10_000 {
		text.WriteString(wheeltest.Row(filepath.Join("x", fmt.Sprint("package", i%100), fmt.Sprint("module", i, ".py")), "x"))
	}
	b.SetBytes(int64(text.Len()))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := wheel.ParseRecord(strings.NewReader(text.String())); err != nil {
			b.Fatal(err)
		}
	}
}

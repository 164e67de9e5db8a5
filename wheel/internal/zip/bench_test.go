package zip_test

import (
	stdzip "archive/zip"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/sparkwheel/sparkwheel/wheel/internal/zip"
)

// archive has 5,000 texts and one library of 16 MiB.
func archive(b *testing.B) (data []byte, size int64) {
	b.Helper()
	var out bytes.Buffer
	w := stdzip.NewWriter(&out)
	add := func(name string, content []byte) {
		m, err := w.Create(name)
		if err == nil {
			_, err = m.Write(content)
		}
		if err != nil {
			b.Fatal(err)
		}
		size += int64(len(content))
	}
	for i := range 5000 {
		add(fmt.Sprintf("x/package%d/module%d.py", i%50, i), []byte(strings.Repeat(fmt.Sprintf("def f%d(x):\n    return x + 1\n", i), 100)))
	}
	library := make([]byte, 16<<20)
	random := rand.NewChaCha8([32]byte{1})
	random.Read(library[:8<<20])
	add("x/library.so", library)
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
	return out.Bytes(), size
}

// BenchmarkDirectory opens an archive, as this package (local headers compared
// with the directory) and as the standard library.
func BenchmarkDirectory(b *testing.B) {
	data, _ := archive(b)
	b.Run("ours", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			open(b, data)
		}
	})
	b.Run("archive-zip", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := stdzip.NewReader(bytes.NewReader(data), int64(len(data))); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkContent reads every member, checked by its CRC.
func BenchmarkContent(b *testing.B) {
	data, size := archive(b)
	b.Run("ours", func(b *testing.B) {
		b.SetBytes(size)
		a := open(b, data)
		for b.Loop() {
			for i := range a.Members {
				drain(b, a.Open(&a.Members[i]))
			}
		}
	})
	b.Run("archive-zip", func(b *testing.B) {
		b.SetBytes(size)
		r, err := stdzip.NewReader(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			for _, m := range r.File {
				c, err := m.Open()
				if err != nil {
					b.Fatal(err)
				}
				drain(b, c)
			}
		}
	})
}

func open(b *testing.B, data []byte) *zip.Archive {
	b.Helper()
	a, err := zip.Read(bytes.NewReader(data), int64(len(data)), func(code, path, message string) { b.Fatal(code, path, message) })
	if err != nil {
		b.Fatal(err)
	}
	return a
}

func drain(b *testing.B, r io.ReadCloser) {
	b.Helper()
	if _, err := io.Copy(io.Discard, r); err != nil {
		b.Fatal(err)
	}
	if err := r.Close(); err != nil {
		b.Fatal(err)
	}
}

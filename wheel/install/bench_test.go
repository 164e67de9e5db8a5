package install_test

import (
	"fmt"
	"testing"

	"github.com/sparkwheel/sparkwheel/wheel"
	"github.com/sparkwheel/sparkwheel/wheel/install"
	"github.com/sparkwheel/sparkwheel/wheel/wheeltest"
)

// BenchmarkTree makes the tree of ten wheels of a thousand files; nothing of
// them is read.
func BenchmarkTree(b *testing.B) {
	var readers []*wheel.Reader
	for i := range 10 {
		w := wheeltest.New(fmt.Sprintf("x%d-1.0-py3-none-any.whl", i))
		for n := range 1000 {
			w.Add(fmt.Sprintf("x%d/package%d/module%d.py", i, n%30, n), "x")
		}
		r, err := wheel.Open(w.Write(b, b.TempDir()))
		if err != nil {
			b.Fatal(err)
		}
		defer r.Close()
		readers = append(readers, r)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := install.Tree(debian("3.12"), readers...); err != nil {
			b.Fatal(err)
		}
	}
}

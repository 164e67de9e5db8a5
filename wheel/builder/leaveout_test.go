package builder

import (
	"archive/zip"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/wheel"
	"github.com/sparkwheel/sparkwheel/wheel/wheeltest"
)

// What is left out of a wheel is gone from its RECORD too, which is else as it
// was; the wheel is sound, and a pattern that names nothing changes no byte.
func TestLeaveOut(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	from := wheeltest.New("x-1-py3-none-any.whl", "x/a.cubin", "a", "x/a.cubin.lock", "", "x/deep/b.lock", "", "lock/c.py", "c", "d.lock", "").Write(t, dir)
	to := filepath.Join(t.TempDir(), filepath.Base(from))
	left, err := Repack(t.Context(), from, to, []string{"x/**/*.lock"})
	if err != nil || left != 2 {
		t.Fatalf("%d left out, %v", left, err)
	}
	if _, err := wheel.Verify(t.Context(), to); err != nil {
		t.Error(err)
	}
	r, err := zip.OpenReader(to)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var got []string
	record := ""
	for _, m := range r.File {
		got = append(got, m.Name)
		if strings.HasSuffix(m.Name, "/RECORD") {
			f, err := m.Open()
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(f)
			if err != nil {
				t.Fatal(err)
			}
			record = string(text)
		}
	}
	if diff := cmp.Diff([]string{"d.lock", "lock/c.py", "x/a.cubin", "x-1.dist-info/METADATA", "x-1.dist-info/WHEEL", "x-1.dist-info/RECORD"}, got); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
	if strings.Contains(record, "cubin.lock") || strings.Contains(record, "deep") || !strings.Contains(record, wheeltest.Row("x/a.cubin", "a")) {
		t.Errorf("RECORD is\n%s", record)
	}
	for _, glob := range []string{"x-1.dist-info/*", "[", "", "**"} {
		if _, err := Repack(t.Context(), from, to+".out", []string{glob}); err == nil {
			t.Errorf("%q could be left out", glob)
		}
	}
	signed := wheeltest.New("y-1-py3-none-any.whl", "a.lock", "", "y-1.dist-info/RECORD.jws", "s").Write(t, dir)
	if _, err := Repack(t.Context(), signed, to+".out", []string{"*.lock"}); err == nil || !strings.Contains(err.Error(), "it is signed") {
		t.Errorf("a signed wheel gave %v", err)
	}
	if left := names(t, filepath.Dir(to)); len(left) != 1 {
		t.Errorf("the directory holds %q", left)
	}
}

package stage

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func readLog(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(path, ".gz") {
		return string(text)
	}
	r, err := gzip.NewReader(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if text, err = io.ReadAll(r); err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestLogIsCutInTheMiddle(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 5, 16, 17, 24, 25, 31, 40, 1000} {
		for _, piece := range []int{1, 7, 100} {
			l, err := createLog(filepath.Join(t.TempDir(), "x.log"))
			if err != nil {
				t.Fatal(err)
			}
			l.head, l.tail = 16, 8
			var all strings.Builder
			for i := range size {
				all.WriteByte(byte('a' + i%26))
			}
			for rest := all.String(); rest != ""; {
				n := min(piece, len(rest))
				if m, err := io.WriteString(l, rest[:n]); err != nil || m != n {
					t.Fatal(m, err)
				}
				rest = rest[n:]
			}
			var got bytes.Buffer
			for _, part := range l.parts() {
				if _, err := io.Copy(&got, part); err != nil {
					t.Fatal(err)
				}
			}
			want := all.String()
			if size > 24 {
				want = want[:16] + fmt.Sprintf("\n\nsparkwheel: %d bytes of the log are left out here\n\n", size-24) + want[size-8:]
			}
			if got.String() != want {
				t.Errorf("%d bytes in pieces of %d: %q, want %q", size, piece, &got, want)
			}
			if info, err := l.file.Stat(); err != nil || info.Size() > 24 {
				t.Errorf("the file has %d bytes, %v", info.Size(), err)
			}
			if _, err := l.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestLongLogsAreCompressed(t *testing.T) {
	t.Parallel()
	for _, size := range []int{100, plainLog + 100} {
		dir := t.TempDir()
		l, err := createLog(filepath.Join(dir, "x.log"))
		if err != nil {
			t.Fatal(err)
		}
		want := strings.Repeat("a line of a log\n", size/16+1)
		if _, err := io.WriteString(l, want); err != nil {
			t.Fatal(err)
		}
		path, err := l.Close()
		if err != nil {
			t.Fatal(err)
		}
		if got := readLog(t, path); got != want {
			t.Errorf("a log of %d bytes reads back as %d", len(want), len(got))
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) != 1 || strings.HasSuffix(path, ".gz") != (size > plainLog) {
			t.Errorf("a log of %d bytes is %s beside %v, %v", size, path, left, err)
		}
	}
}

package excerpt_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/sparkwheel/sparkwheel/requirements/excerpt"
)

func TestOf(t *testing.T) {
	t.Parallel()
	if got := excerpt.Of("torch==2.11.0"); got != "torch==2.11.0" {
		t.Errorf("a short text became %q", got)
	}
	long := "head" + strings.Repeat("é", 100_000) + "tail"
	got := excerpt.Of(long)
	if !strings.HasPrefix(got, "headé") || !strings.HasSuffix(got, "étail") || utf8.RuneCountInString(got) > 250 || !strings.Contains(got, "(99808 more characters)") {
		t.Errorf("a long text became %q", got)
	}
}

func TestAround(t *testing.T) {
	t.Parallel()
	line := strings.Repeat("a", 500) + "X" + strings.Repeat("b", 500)
	for _, col := range []int{1, 50, 101, 501, 1001, 5000} {
		text, at := excerpt.Around(line, col)
		if utf8.RuneCountInString(text) > 202 {
			t.Errorf("column %d: %q", col, text)
		}
		if col <= 1001 && []rune(text + " ")[at-1] != []rune(line + " ")[col-1] {
			t.Errorf("column %d is %d in %q", col, at, text)
		}
	}
	if text, at := excerpt.Around("short", 3); text != "short" || at != 3 {
		t.Errorf("a short line became %q, %d", text, at)
	}
}

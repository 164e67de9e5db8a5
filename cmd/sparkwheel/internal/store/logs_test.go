package store_test

import (
	"os"
	"testing"
	"time"
)

func TestRunLogs(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for name, age := range map[string]time.Duration{"old": 31 * 24 * time.Hour, "recent": 29 * 24 * time.Hour} {
		if err := os.MkdirAll(s.Path("logs", name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(s.Path("logs", name), now.Add(-age), now.Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	first, second := s.RunLogs(now), s.RunLogs(now.Add(time.Millisecond))
	if first == second {
		t.Errorf("two runs share %s", first)
	}
	left, err := os.ReadDir(s.Path("logs"))
	if err != nil || len(left) != 1 || left[0].Name() != "recent" {
		t.Errorf("logs left: %v, %v", left, err)
	}
}

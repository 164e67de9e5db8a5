package stage_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
)

func TestRunReportsCleanLines(t *testing.T) {
	long := strings.Repeat("x", 20<<10)
	for _, test := range []struct {
		name   string
		writes []string
		want   []string
	}{
		{"whole and broken lines", []string{"one\ntw", "o\n", "\n\nthree"}, []string{"one", "two", "three"}},
		{"a bar of its own", []string{"10%\r20%\r\nok"}, []string{"10%", "20%", "ok"}},
		{"colours", []string{"\x1b[1;31merror\x1b[0m: \x1b]0;title\x07bad\x1b(B"}, []string{"error: badB"}},
		{"a title set to steal the terminal", []string{"\x1b]52;c;cm0=\x1b\\x\x1b"}, []string{"x"}},
		{"controls, bidi, broken UTF-8", []string{"a\x00b\u202ec\xff"}, []string{"a b\ufffdc\ufffd"}},
		{"no line end", []string{long}, []string{long[:16<<10], long[16<<10:]}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := stage.Graph{Logs: t.TempDir()}
				stage.Add(&g, "s", func(_ context.Context, r *stage.Run) (int, error) {
					for _, w := range test.writes {
						if n, err := io.WriteString(r, w); n != len(w) || err != nil {
							t.Errorf("Write: %d, %v", n, err)
						}
					}
					return 0, nil
				})
				var got heard
				if err := g.Run(t.Context(), 1, &got); err != nil {
					t.Fatal(err)
				}
				want := heard{"s start"}
				for _, w := range test.want {
					want = append(want, "s log "+w)
				}
				if diff := cmp.Diff(append(want, "s done"), got); diff != "" {
					t.Errorf("events (-want +got):\n%s", diff)
				}
				raw, err := os.ReadFile(filepath.Join(g.Logs, "s.log"))
				if err != nil || string(raw) != strings.Join(test.writes, "") {
					t.Errorf("log is %q, %v", raw, err)
				}
			})
		})
	}
}

func TestRunTells(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := stage.Graph{Logs: t.TempDir()}
		old := filepath.Join(g.Logs, "wheel.log")
		if err := os.WriteFile(old, []byte("what made it"), 0o644); err != nil {
			t.Fatal(err)
		}
		var run *stage.Run
		stage.Add(&g, "wheel", func(_ context.Context, r *stage.Run) (int, error) {
			run = r
			r.Hit()
			r.Note("%d rules matched\nnothing", 2)
			r.Progress(5, 10)
			return 0, nil
		})
		var got heard
		if err := g.Run(t.Context(), 1, &got); err != nil {
			t.Fatal(err)
		}
		want := heard{"wheel start", "wheel hit", "wheel note 2 rules matched nothing", "wheel progress 5/10", "wheel done"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
		if log, _ := os.ReadFile(old); string(log) != "what made it" {
			t.Errorf("a hit replaced the log by %q", log)
		}
		if _, err := fmt.Fprint(run, "late"); !errors.Is(err, os.ErrClosed) {
			t.Errorf("writing after the stage: %v", err)
		}
	})
}

func TestRunTellsProgressAtAPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g stage.Graph
		stage.Add(&g, "download", func(_ context.Context, r *stage.Run) (int, error) {
			for i := range int64(1000) {
				r.Progress(i+1, 1000)
				time.Sleep(time.Millisecond)
			}
			return 0, nil
		})
		var got heard
		if err := g.Run(t.Context(), 1, &got); err != nil {
			t.Fatal(err)
		}
		if len(got) != 13 || got[1] != "download progress 1/1000" || got[11] != "download progress 1000/1000 +1s" {
			t.Errorf("%d events: %q", len(got), got)
		}
	})
}

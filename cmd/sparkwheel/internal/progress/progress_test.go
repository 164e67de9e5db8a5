package progress_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/progress"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
)

var update = flag.Bool("update", false, "rewrite golden files")

// golden compares got with a file of testdata/golden.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("../../../../testdata/golden", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; make it with -update", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// play runs a graph with one of everything, in a bubble's time, for display.
func play(t *testing.T, d progress.Display) {
	t.Helper()
	var g stage.Graph
	base := stage.Add(&g, "base", func(_ context.Context, r *stage.Run) (int, error) {
		const total = 3 << 30
		for done := int64(512 << 20); done <= total; done += 512 << 20 {
			time.Sleep(4 * time.Second)
			r.Progress(done, total)
		}
		return 0, nil
	})
	stage.Add(&g, "git vllm", func(_ context.Context, r *stage.Run) (int, error) {
		time.Sleep(100 * time.Millisecond)
		r.Hit()
		return 0, nil
	}, base)
	git := stage.Add(&g, "git flashinfer", func(_ context.Context, r *stage.Run) (int, error) {
		time.Sleep(30 * time.Second)
		r.Progress(5<<20, 0)
		time.Sleep(10 * time.Minute)
		return 0, nil
	})
	stage.Add(&g, "slow", func(ctx context.Context, _ *stage.Run) (int, error) {
		<-ctx.Done()
		return 0, ctx.Err()
	}, git)
	stage.Add(&g, "wheel \"vllm\"", func(_ context.Context, r *stage.Run) (int, error) {
		r.Note("rule %q matched nothing", "fastsafetensors")
		fmt.Fprintln(r, "[1/2] Building <csrc/a.cu>")
		fmt.Fprintln(r, "\x1b[31merror\x1b[0m: no such header")
		time.Sleep(90 * time.Second)
		fmt.Fprintln(r, "1 error generated.")
		return 0, errors.New("running ninja: exit status 1")
	}, git)
	if err := g.Run(t.Context(), 4, d); err == nil {
		t.Error("the wheel's failure was lost")
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

func TestLines(t *testing.T) {
	for name, verbose := range map[string]bool{"progress_lines.txt": false, "progress_verbose.txt": true} {
		synctest.Test(t, func(t *testing.T) {
			var out bytes.Buffer
			play(t, progress.Lines(&out, verbose))
			golden(t, name, out.String())
		})
	}
}

func TestJSON(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		play(t, progress.JSON(&out))
		golden(t, "progress_json.txt", out.String())
		for line := range strings.Lines(out.String()) {
			var e struct {
				Time         time.Time
				Stage, Event string
			}
			if err := json.Unmarshal([]byte(line), &e); err != nil || e.Time.IsZero() || e.Stage == "" || e.Event == "" {
				t.Errorf("%s: %v", line, err)
			}
		}
	})
}

// TestTerminal holds what is left on the screen when all is over; how it moves
// is looked at on a real terminal by TestE2ETerminal.
func TestTerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		play(t, progress.Terminal(&out, 60, false))
		golden(t, "progress_terminal.txt", screen(out.String()))
	})
}

// screen is what a terminal shows in the end of the two movements mpb makes:
// up N lines, and clear from there.
func screen(text string) string {
	var lines []string
	for {
		before, after, found := strings.Cut(text, "\r\x1b[")
		lines = append(lines, strings.SplitAfter(before, "\n")...)
		for len(lines) > 0 && lines[len(lines)-1] == "" {
			lines = lines[:len(lines)-1]
		}
		if !found {
			return strings.Join(lines, "")
		}
		var up int
		if _, err := fmt.Sscanf(after, "%dA\x1b[J", &up); err != nil {
			return fmt.Sprintf("unknown movement %q", after)
		}
		lines = lines[:max(0, len(lines)-up)]
		_, text, _ = strings.Cut(after, "J")
	}
}

func TestDisplaysReportLostOutput(t *testing.T) {
	t.Parallel()
	for name, d := range map[string]progress.Display{"lines": progress.Lines(full{}, false), "json": progress.JSON(full{})} {
		d.Report(stage.Event{Kind: stage.Note, Text: "x"})
		if err := d.Close(); !errors.Is(err, io.ErrShortWrite) {
			t.Errorf("%s: Close: %v", name, err)
		}
	}
}

// full is a disk with no room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

func TestDuration(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "0.0s", 1234 * time.Millisecond: "1.2s", 9990 * time.Millisecond: "10s", 12300 * time.Millisecond: "12s", 59900 * time.Millisecond: "59s",
		time.Minute: "1m00s", 185 * time.Second: "3m05s", 127 * time.Minute: "2h07m",
	} {
		if got := progress.Duration(d); got != want {
			t.Errorf("Duration(%v) = %q, want %q", d, got, want)
		}
	}
}

package progress

import (
	"fmt"
	"io"
	"time"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
)

// every is how often a line tells of a stage's progress.
const every = 10 * time.Second

type lines struct {
	w     io.Writer
	told  map[string]time.Duration // when a stage's progress was last told
	where map[string]stage.Event   // the last progress
	err   error
}

// Lines shows events as lines of text, without colours or movement: for pipes,
// files and CI. Log lines are shown too; progress every ten seconds only.
func Lines(w io.Writer) Display {
	return &lines{w: w, told: map[string]time.Duration{}, where: map[string]stage.Event{}}
}

func (l *lines) Report(e stage.Event) {
	switch e.Kind {
	case stage.Start:
		l.printf("%s: started\n", e.Stage)
	case stage.Log:
		l.printf("%s | %s\n", e.Stage, e.Text)
	case stage.Note:
		l.printf("%s: %s\n", e.Stage, e.Text)
	case stage.Hit:
		l.printf("%s: in the store: %s\n", e.Stage, e.Text)
	case stage.Progress:
		l.where[e.Stage] = e
		if e.Elapsed-l.told[e.Stage] >= every {
			l.told[e.Stage] = e.Elapsed
			l.printf("%s: %s\n", e.Stage, amount(e))
		}
	case stage.Done:
		l.printf("%s: done in %s%s\n", e.Stage, Duration(e.Elapsed), l.total(e.Stage))
	case stage.Failed:
		l.printf("%s: FAILED after %s: %s\n", e.Stage, Duration(e.Elapsed), e.Text)
	case stage.Canceled:
		l.printf("%s: stopped after %s\n", e.Stage, Duration(e.Elapsed))
	}
}

// total is what a stage moved in all, when it told.
func (l *lines) total(name string) string {
	e, ok := l.where[name]
	delete(l.where, name)
	delete(l.told, name)
	if !ok || e.Done == 0 {
		return ""
	}
	return ", " + store.Size(e.Done)
}

func (l *lines) printf(format string, args ...any) {
	if _, err := fmt.Fprintf(l.w, format, args...); err != nil && l.err == nil {
		l.err = fmt.Errorf("writing the progress: %w", err)
	}
}

func (l *lines) Close() error { return l.err }

// amount is how far a stage is, and how long it will take when that can be told.
func amount(e stage.Event) string {
	if e.Total <= 0 {
		return store.Size(e.Done)
	}
	text := fmt.Sprintf("%s of %s, %d%%", store.Size(e.Done), store.Size(e.Total), percent(e))
	if left, ok := remaining(e); ok {
		text += ", about " + Duration(left) + " left"
	}
	return text
}

func percent(e stage.Event) int64 {
	return min(100, int64(100*float64(e.Done)/float64(e.Total)))
}

// remaining guesses from the mean speed since the stage's start, once that says something.
func remaining(e stage.Event) (time.Duration, bool) {
	if e.Done <= 0 || e.Done >= e.Total || e.Elapsed < 2*time.Second {
		return 0, false
	}
	left := float64(e.Elapsed) * float64(e.Total-e.Done) / float64(e.Done)
	return time.Duration(left), left < float64(100*24*time.Hour)
}

// Duration writes d as people say it: 0.4s, 12s, 3m05s, 2h07m.
func Duration(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
}

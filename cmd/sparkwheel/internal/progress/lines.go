package progress

import (
	"fmt"
	"io"
	"time"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
)

// How often a line tells of a stage's progress, and how often one line of its
// log shows that it lives: CI services end what is silent for ten minutes.
const (
	everyProgress = 10 * time.Second
	everyLog      = time.Minute
)

type lines struct {
	w       io.Writer
	verbose bool
	told    map[string]time.Duration // when a stage was last told of
	where   map[string]stage.Event   // the last progress
	hit     map[string]bool
	err     error
}

// Lines shows events as lines of text, without colours or movement: for pipes,
// files and CI. Progress is told every ten seconds; of the log, all lines when
// verbose, else one a minute.
func Lines(w io.Writer, verbose bool) Display {
	return newLines(w, verbose)
}

func newLines(w io.Writer, verbose bool) *lines {
	return &lines{w: w, verbose: verbose, told: map[string]time.Duration{}, where: map[string]stage.Event{}, hit: map[string]bool{}}
}

func (l *lines) Report(e stage.Event) {
	switch e.Kind {
	case stage.Start:
		l.printf("%s: started\n", e.Stage)
	case stage.Log:
		if l.verbose || l.due(e, everyLog) {
			l.printf("%s | %s\n", e.Stage, e.Text)
		}
	case stage.Note:
		l.printf("%s: %s\n", e.Stage, e.Text)
	case stage.Hit:
		l.hit[e.Stage] = true
		l.printf("%s: cached\n", e.Stage)
	case stage.Progress:
		l.where[e.Stage] = e
		if l.due(e, everyProgress) {
			l.printf("%s: %s\n", e.Stage, amount(e))
		}
	case stage.Done:
		if l.hit[e.Stage] {
			return // said already
		}
		l.printf("%s: done in %s%s\n", e.Stage, Duration(e.Elapsed), l.total(e.Stage))
	case stage.Failed:
		l.printf("%s: FAILED after %s: %s\n", e.Stage, Duration(e.Elapsed), e.Text)
	case stage.Canceled:
		l.printf("%s: stopped after %s\n", e.Stage, Duration(e.Elapsed))
	}
}

// due is whether a stage was not told of for so long.
func (l *lines) due(e stage.Event, every time.Duration) bool {
	if e.Elapsed-l.told[e.Stage] < every {
		return false
	}
	l.told[e.Stage] = e.Elapsed
	return true
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
	case d < 9950*time.Millisecond: // what rounds to 10.0 is written as 10
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%ds", min(59, int(d.Seconds()+0.5)))
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
}

package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/progress"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
)

// display shows stages on stderr as --progress asks; auto moves only where
// someone can see it move. The caller closes it before it prints the result.
func (a *app) display() progress.Display {
	file, _ := a.screen.(*os.File)
	tty := file != nil && term.IsTerminal(int(file.Fd()))
	mode := a.progress
	if mode == "auto" {
		mode = "plain"
		if tty && a.Getenv("TERM") != "dumb" && a.Getenv("CI") == "" {
			mode = "tty"
		}
	}
	w := &watched{app: a, running: map[string]time.Time{}}
	switch mode {
	case "none":
		w.Display = progress.None{}
	case "json":
		w.Display = progress.JSON(a.Stderr)
	case "tty":
		width := 80
		if tty {
			if w, _, err := term.GetSize(int(file.Fd())); err == nil && w > 0 {
				width = w
			}
		}
		w.Display = progress.Terminal(a.screen, width, a.verbose)
	default:
		w.Display = progress.Lines(a.Stderr, a.verbose)
	}
	a.watch(w)
	return w
}

// watched is a display that knows what runs, so that an interrupt can say at
// once what it stops. A bar's text goes to the screen unquoted, so it is quoted
// here.
type watched struct {
	progress.Display
	app     *app
	mu      sync.Mutex
	running map[string]time.Time
	closed  bool
}

// Report passes an event on.
func (w *watched) Report(e stage.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch e.Kind {
	case stage.Start:
		w.running[e.Stage] = e.Time
	case stage.Done, stage.Failed, stage.Canceled:
		delete(w.running, e.Stage)
	}
	e.Stage, e.Text = quotedText(e.Stage), quotedText(e.Text)
	if !w.closed {
		w.Display.Report(e)
	}
}

// Close ends the display; what is reported after it is not shown.
func (w *watched) Close() error {
	w.app.watch(nil)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	return w.Display.Close()
}

// stopping says what an interrupt stops, the longest first.
func (w *watched) stopping() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return
	}
	var names []string
	for name := range w.running {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(w.running[a].Compare(w.running[b]), strings.Compare(a, b))
	})
	w.Display.Report(stage.Event{
		Kind: stage.Note, Stage: "interrupted", Time: time.Now(), Text: quotedText(stoppingText(names)),
	})
}

func stoppingText(names []string) string {
	const shown = 3
	if len(names) > shown {
		names = append(names[:shown:shown], fmt.Sprintf("%d more", len(names)-shown))
	}
	return strings.TrimSpace("stopping "+strings.Join(names, ", ")) + " (interrupt again to end at once)"
}

// watch is told of the display that is open, nil of none.
func (a *app) watch(w *watched) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.shown = w
}

// announcing runs a command, and says at once when ctx ends what it stops.
func (a *app) announcing(ctx context.Context, command func(context.Context) error) error {
	said := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(said)
		a.sayStopping()
	})
	err := command(ctx)
	if !stop() {
		<-said
	}
	return err
}

// sayStopping tells the user at once that an interrupt was heard.
func (a *app) sayStopping() {
	a.mu.Lock()
	shown := a.shown
	a.mu.Unlock()
	if shown != nil {
		shown.stopping()
		return
	}
	fmt.Fprintln(a.Stderr, "sparkwheel: stopping (interrupt again to end at once)")
}

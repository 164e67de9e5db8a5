package progress

import (
	"errors"
	"fmt"
	"io"
	"math"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
)

// terminal shows one moving line for each running stage, a summary below them,
// and above them the lines that stay: notes, hits, ends. Report is called by
// one goroutine; mpb draws in others.
type terminal struct {
	p     *mpb.Progress
	lines *lines
	bars  map[string]*bar
	foot  *foot
}

// Terminal shows events on a terminal: a moving line for each stage that runs
// (how far, or the last line of its log), above them a line for each that
// ended, and the whole log when verbose. width counts where w is not itself a
// terminal.
func Terminal(w io.Writer, width int, verbose bool) Display {
	p := mpb.New(mpb.WithConsoleWriter(newConsole(w)), mpb.WithWidth(width), mpb.WithAutoRefresh())
	t := &terminal{p: p, lines: newLines(p, verbose), bars: map[string]*bar{}, foot: &foot{began: time.Now()}}
	// Text written above the bars reaches the screen when a bar is drawn, the
	// last of it when the last bar ends: so one bar lives from first to last.
	t.foot.Bar = t.add(math.MaxInt, t.foot.draw)
	return t
}

func (t *terminal) add(priority int, row row) *mpb.Bar {
	return t.p.New(0, row, mpb.BarPriority(priority), mpb.BarFillerTrim())
}

// row writes a line of at most so many columns; mpb calls it at each redraw.
type row func(columns int) string

// Build makes a row an mpb.BarFillerBuilder.
func (r row) Build() mpb.BarFiller { return r }

// Fill makes a row an mpb.BarFiller.
func (r row) Fill(w io.Writer, st decor.Statistics) error {
	// A character in the last column makes some terminals begin a new line.
	_, err := io.WriteString(w, r(max(st.AvailableWidth-1, 0)))
	return err
}

func (t *terminal) Report(e stage.Event) {
	b := t.bars[e.Stage]
	switch e.Kind {
	case stage.Start:
		b = &bar{name: e.Stage, began: time.Now()}
		b.Bar = t.add(len(t.bars), b.draw)
		t.bars[e.Stage] = b
		t.foot.count(1, 0, 0)
		return
	case stage.Log:
		b.hear(e)
		if !t.lines.verbose {
			return
		}
	case stage.Progress:
		b.hear(e)
		t.lines.where[e.Stage] = e
		return
	case stage.Hit:
		t.foot.count(0, 0, 1)
	case stage.Done, stage.Failed, stage.Canceled:
		b.Abort(true)
		delete(t.bars, e.Stage)
		t.foot.count(-1, 1, 0)
	}
	t.lines.Report(e)
}

func (t *terminal) Close() error {
	for _, b := range t.bars {
		b.Abort(true)
	}
	t.foot.Abort(true)
	t.p.Wait()
	if t.p.Error != nil {
		return errors.Join(t.lines.Close(), fmt.Errorf("drawing the progress: %w", t.p.Error))
	}
	return t.lines.Close()
}

// bar is the line of a running stage.
type bar struct {
	*mpb.Bar
	name  string
	began time.Time

	mu       sync.Mutex
	progress stage.Event
	log      string
}

func (b *bar) hear(e stage.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e.Kind == stage.Log {
		b.log = e.Text
		return
	}
	b.progress = e
}

func (b *bar) draw(columns int) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	since := time.Since(b.began)
	head := fmt.Sprintf("%s %s %6s ", spinner(since), pad(b.name, nameColumns(columns)), Duration(since))
	rest := columns - columnsOf(head)
	e := b.progress
	e.Elapsed = since
	switch {
	case e.Kind != "" && e.Total > 0:
		text := " " + amount(e)
		return cut(head+gauge(float64(e.Done)/float64(e.Total), rest-columnsOf(text))+text, columns)
	case e.Kind != "":
		return cut(head+amount(e), columns)
	}
	return cut(head+b.log, columns)
}

// nameColumns is what a stage's name gets of a line.
func nameColumns(columns int) int { return max(8, min(28, columns/3)) }

func spinner(since time.Duration) string {
	frames := []string{"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"}
	return frames[int(since/(150*time.Millisecond))%len(frames)]
}

// gauge is a bar of so many columns, or nothing where it would say nothing.
func gauge(part float64, columns int) string {
	columns = min(columns-2, 40)
	if columns < 5 {
		return ""
	}
	full := int(min(max(part, 0), 1) * float64(columns))
	text := make([]byte, columns)
	for i := range text {
		switch {
		case i < full:
			text[i] = '='
		case i == full:
			text[i] = '>'
		default:
			text[i] = ' '
		}
	}
	return "[" + string(text) + "]"
}

// foot is the summary below the bars.
type foot struct {
	*mpb.Bar
	began time.Time

	mu                  sync.Mutex
	running, ended, hit int
}

func (f *foot) count(running, ended, hit int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.running += running
	f.ended += ended
	f.hit += hit
}

func (f *foot) draw(columns int) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return cut(fmt.Sprintf("%s: %d running, %d done (%d cached)", Duration(time.Since(f.began)), f.running, f.ended, f.hit), columns)
}

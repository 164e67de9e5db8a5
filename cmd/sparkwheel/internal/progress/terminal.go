package progress

import (
	"io"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
)

// terminal shows one bar for each running stage, and lines above the bars for
// what stays: notes, hits, ends.
type terminal struct {
	p     *mpb.Progress
	lines *lines
	bars  map[string]*bar
}

// bar is a running stage's line.
type bar struct {
	*mpb.Bar
	last stage.Event
	tail string // the log's last line
}

// Terminal shows events on a terminal of so many columns: a bar for each stage
// that runs, and above the bars a line for each that ended.
func Terminal(w io.Writer, width int) Display {
	p := mpb.New(mpb.WithOutput(w), mpb.WithWidth(width), mpb.ForceAutoRefresh())
	return &terminal{p: p, lines: Lines(p).(*lines), bars: map[string]*bar{}}
}

func (t *terminal) Report(e stage.Event) {
	b := t.bars[e.Stage]
	switch e.Kind {
	case stage.Start:
		t.bars[e.Stage] = t.add(e)
		return
	case stage.Log:
		return
	case stage.Progress:
		if b != nil {
			b.SetTotal(e.Total, false)
			b.SetCurrent(e.Done)
		}
		return
	case stage.Done, stage.Failed, stage.Canceled:
		if b != nil {
			b.Abort(true)
			b.Wait()
			delete(t.bars, e.Stage)
		}
	}
	t.lines.Report(e)
}

func (t *terminal) add(e stage.Event) *bar {
	return &bar{Bar: t.p.New(0, mpb.BarStyle(), mpb.PrependDecorators(decor.Name(e.Stage+" ")), mpb.BarRemoveOnComplete())}
}

func (t *terminal) Close() error {
	for _, b := range t.bars {
		b.Abort(true)
	}
	t.p.Wait()
	return t.lines.Close()
}

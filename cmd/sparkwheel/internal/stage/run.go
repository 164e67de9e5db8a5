package stage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

// maxLine is where a line without an end is cut, so that memory stays flat.
const maxLine = 16 << 10

// Run is what a running stage has to say. It is the stage's log as an
// io.Writer: bytes go to the log file as they are and, line by line and without
// control characters, to the reporter. All methods may be called from several
// goroutines, until the stage has returned.
type Run struct {
	name    string
	dir     string
	reports *reports
	began   time.Time

	mu       sync.Mutex
	line     []byte
	file     *logFile
	path     string // of the log, once it is closed
	closed   bool
	told     time.Time // when progress was last told
	progress *Event    // what was held back since
}

// pace is how often a stage's progress is told: a copy of gigabytes calls
// Progress for each of its buffers.
const pace = 100 * time.Millisecond

var _ io.Writer = (*Run)(nil)

// reports hands events of all stages to one reporter, one at a time.
type reports struct {
	mu    sync.Mutex
	to    Reporter
	clock func() time.Time
}

func newRun(name, dir string, reports *reports) *Run {
	r := &Run{name: name, dir: dir, reports: reports, began: reports.clock()}
	r.event(Event{Kind: Start})
	return r
}

// Write adds p to the stage's log. A carriage return ends a line as a newline
// does, so that a tool's own progress bar stays readable.
func (r *Run) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return 0, fmt.Errorf("writing to the log of stage %s: %w", r.name, os.ErrClosed)
	}
	if err := r.keep(p); err != nil {
		return 0, err
	}
	for rest := p; len(rest) > 0; {
		end := bytes.IndexAny(rest, "\r\n")
		if end < 0 {
			end = len(rest)
		}
		if room := maxLine - len(r.line); end > room {
			r.line = append(r.line, rest[:room]...)
			rest = rest[room:]
			r.flush()
			continue
		}
		r.line = append(r.line, rest[:end]...)
		if end == len(rest) {
			break
		}
		r.flush()
		rest = rest[end+1:]
	}
	return len(p), nil
}

// Progress tells how far the stage is, in bytes; total 0 means not known. It
// may be called as often as one likes: ten a second are told, and the last.
func (r *Run) Progress(done, total int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	r.progress = &Event{Kind: Progress, Done: done, Total: total}
	if now := r.reports.clock(); r.told.IsZero() || now.Sub(r.told) >= pace {
		r.told = now
		r.flushProgress()
	}
}

func (r *Run) flushProgress() {
	if r.progress != nil {
		r.event(*r.progress)
		r.progress = nil
	}
}

// Hit reports that the result was cached.
func (r *Run) Hit() {
	r.event(Event{Kind: Hit})
}

// Note tells the user something that must not drown in the log.
func (r *Run) Note(format string, args ...any) {
	r.event(Event{Kind: Note, Text: clean(fmt.Sprintf(format, args...))})
}

type runKey struct{}

func withRun(ctx context.Context, r *Run) context.Context {
	return context.WithValue(ctx, runKey{}, r)
}

// Tell is Run.Note of the stage whose context ctx comes from, for what works on
// behalf of whichever stage. After the stage's end, or without one, nothing is
// said and it returns false.
func Tell(ctx context.Context, format string, args ...any) bool {
	r, ok := ctx.Value(runKey{}).(*Run)
	if !ok {
		return false
	}
	r.mu.Lock()
	closed := r.closed
	r.mu.Unlock()
	if !closed {
		r.Note(format, args...)
	}
	return !closed
}

func (r *Run) event(e Event) {
	r.reports.mu.Lock()
	defer r.reports.mu.Unlock()
	e.Stage, e.Time = r.name, r.reports.clock()
	e.Elapsed = e.Time.Sub(r.began)
	switch e.Kind {
	case Done, Failed, Canceled:
		e.Log = r.logPath()
	}
	if r.reports.to != nil {
		r.reports.to.Report(e)
	}
}

// keep writes p to the log file, which the first byte makes: a stage that finds
// its result in the store leaves the log of the run that made it alone.
func (r *Run) keep(p []byte) error {
	if r.dir == "" || len(p) == 0 {
		return nil
	}
	if r.file == nil {
		if err := os.MkdirAll(r.dir, 0o755); err != nil {
			return fmt.Errorf("making the log directory of stage %s: %w", r.name, err)
		}
		file, err := createLog(filepath.Join(r.dir, logName(r.name)))
		if err != nil {
			return fmt.Errorf("making the log of stage %s: %w", r.name, err)
		}
		r.file = file
	}
	if _, err := r.file.Write(p); err != nil {
		return fmt.Errorf("writing the log of stage %s: %w", r.name, err)
	}
	return nil
}

// Attach keeps a file beside the stage's log, under the log's name and its own.
// Without a directory for logs it keeps nothing.
func (r *Run) Attach(name string, text []byte) error {
	if r.dir == "" {
		return nil
	}
	if err := os.MkdirAll(r.dir, 0o755); err != nil {
		return fmt.Errorf("making the log directory of stage %s: %w", r.name, err)
	}
	file := strings.TrimSuffix(logName(r.name), ".log") + "." + name
	if err := os.WriteFile(filepath.Join(r.dir, file), text, 0o644); err != nil {
		return fmt.Errorf("keeping %s of stage %s: %w", name, r.name, err)
	}
	return nil
}

func (r *Run) flush() {
	text := clean(string(r.line))
	r.line = r.line[:0]
	if text != "" {
		r.event(Event{Kind: Log, Text: text})
	}
}

// close ends the log; the cause of a failure is its last line.
func (r *Run) close(cause error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.flush()
	r.flushProgress()
	r.closed = true
	var err error
	if cause != nil {
		err = r.keep(fmt.Appendf(nil, "\nsparkwheel: %v\n", cause))
	}
	if r.file != nil {
		path, closeErr := r.file.Close()
		r.path, err = path, errors.Join(err, closeErr)
	}
	return err
}

// logPath is the log file's path, "" when nothing was written. It is called
// after close only, or before the file can exist.
func (r *Run) logPath() string {
	return r.path
}

// logName is a stage's name as a file name.
func logName(stage string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsLetter(c) || unicode.IsDigit(c) || strings.ContainsRune("._-+", c) {
			return c
		}
		return '-'
	}, stage) + ".log"
}

// clean makes text safe to show on a terminal: escape sequences go, other
// control characters and broken UTF-8 become visible or a space.
func clean(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); {
		if n := escape(text[i:]); n > 0 {
			i += n
			continue
		}
		c, n := utf8.DecodeRuneInString(text[i:])
		switch {
		case unicode.IsControl(c):
			b.WriteByte(' ')
		case c == utf8.RuneError || unicode.Is(unicode.Bidi_Control, c):
			b.WriteRune(utf8.RuneError)
		default:
			b.WriteRune(c)
		}
		i += n
	}
	return strings.TrimRight(b.String(), " ")
}

// escape is the length of the ANSI escape sequence at the start of s, or 0.
func escape(s string) int {
	if len(s) < 2 || s[0] != 0x1b {
		return 0
	}
	switch s[1] {
	case '[': // CSI: parameters, then one final byte
		for i := 2; i < len(s); i++ {
			if s[i] >= 0x40 && s[i] <= 0x7e {
				return i + 1
			}
		}
		return len(s)
	case ']': // OSC: up to BEL or ESC \
		for i := 2; i < len(s); i++ {
			if s[i] == 0x07 {
				return i + 1
			}
			if s[i] == 0x1b && i+1 < len(s) && s[i+1] == '\\' {
				return i + 2
			}
		}
		return len(s)
	}
	return 2
}

package sandbox

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"syscall"
)

// ExitError says that a command ran and failed.
type ExitError struct {
	Args   []string
	Code   int            // exit status; 128 + Signal for a killed command
	Signal syscall.Signal // that ended it, or 0
	OOM    bool           // a process of it was killed for want of memory
	// Peak is the most memory that its processes used together, in bytes; 0
	// when nothing measured it.
	Peak int64
	// OutputLimit is set when the command was ended for writing more.
	OutputLimit int64
	// Tail holds the last lines of the output, at most 40.
	Tail []byte
}

// Error names the command and its end; the tail is for who prints it.
func (e *ExitError) Error() string {
	name := strings.Join(e.Args, " ")
	if len(name) > 120 {
		name = name[:120] + "…"
	}
	switch {
	case e.OutputLimit > 0:
		return fmt.Sprintf("running %s: ended after more than %d bytes of output", name, e.OutputLimit)
	case e.OOM:
		return fmt.Sprintf("running %s: exit status %d, out of memory (peak %.1f GiB)", name, e.Code, float64(e.Peak)/(1<<30))
	case e.Signal != 0:
		return fmt.Sprintf("running %s: ended by signal %d (%s)", name, int(e.Signal), e.Signal)
	}
	return fmt.Sprintf("running %s: exit status %d", name, e.Code)
}

const (
	tailLines = 40
	tailBytes = 64 << 10
)

// output passes on what a command writes, keeps its tail and counts it. It
// takes writes from several goroutines.
type output struct {
	mu     sync.Mutex
	to     io.Writer
	limit  int64
	over   func() // called once, when limit is passed
	n      int64
	recent []byte
	err    error // the first error of to
}

// Write never fails, so that a full disk under the log does not hide what the
// command has to say; the error is kept for the end.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	before := o.n
	o.n += int64(len(p))
	if before <= o.limit && o.n > o.limit && o.over != nil {
		o.over()
	}
	if o.n > o.limit {
		return len(p), nil
	}
	if o.to != nil && o.err == nil {
		_, o.err = o.to.Write(p)
	}
	o.recent = append(o.recent, p...)
	if len(o.recent) > 2*tailBytes {
		o.recent = append([]byte(nil), o.recent[len(o.recent)-tailBytes:]...)
	}
	return len(p), nil
}

// tail returns the last lines whole, as far as they are kept.
func (o *output) tail() []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	b := bytes.TrimRight(o.recent, "\n")
	if len(b) > tailBytes {
		b = b[len(b)-tailBytes:]
	}
	at := len(b)
	for range tailLines {
		i := bytes.LastIndexByte(b[:at], '\n')
		if i < 0 {
			return bytes.Clone(b)
		}
		at = i
	}
	return bytes.Clone(b[at+1:])
}

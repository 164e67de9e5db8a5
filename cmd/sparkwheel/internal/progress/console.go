package progress

import (
	"bytes"
	"fmt"
	"io"
	"os"

	"github.com/vbauerster/mpb/v8"
	"golang.org/x/term"
)

// console writes mpb's frames over each other. mpb's own one counts on the
// cursor being at the start of a line, which a ^C that the terminal echoes
// moves; this one returns it there.
type console struct {
	bytes.Buffer // what the next Flush writes
	w            io.Writer
	fd           int // of a terminal, else -1
}

var _ mpb.ConsoleWriter = (*console)(nil)

func newConsole(w io.Writer) *console {
	c := &console{w: w, fd: -1}
	if file, ok := w.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		c.fd = int(file.Fd())
	}
	return c
}

// IsTerminal is whether GetTermSize can be asked.
func (c *console) IsTerminal() bool { return c.fd >= 0 }

// GetTermSize is the terminal's size now.
func (c *console) GetTermSize() (width, height int, err error) { return term.GetSize(c.fd) }

// Flush writes the frame. The next one will begin with the way back over the
// last so many lines of it.
func (c *console) Flush(lines int) error {
	if _, err := c.WriteTo(c.w); err != nil {
		return err
	}
	if lines > 0 {
		fmt.Fprintf(c, "\r\x1b[%dA\x1b[J", lines)
	}
	return nil
}

package install

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/sparkwheel/sparkwheel/wheel"
)

// launcher is what uv writes for an entry point: shebang, module, the name to
// import, and the function to call.
const launcher = `%s
# -*- coding: utf-8 -*-
import sys
from %s import %s
if __name__ == "__main__":
    if sys.argv[0].endswith("-script.pyw"):
        sys.argv[0] = sys.argv[0][:-11]
    elif sys.argv[0].endswith(".exe"):
        sys.argv[0] = sys.argv[0][:-4]
    sys.exit(%s())
`

// maxShebang is the longest first line that every kernel reads whole.
const maxShebang = 127

// shebang is the line that starts python, without its newline. A path that a
// kernel would cut off or split is started by the shell, which reads the first
// lines as Python reads past them.
func shebang(python string) string {
	if len("#!")+len(python)+len("\n") <= maxShebang && !strings.Contains(python, " ") {
		return "#!" + python
	}
	quoted := strings.ReplaceAll(python, "'", `'"'"'`)
	return "#!/bin/sh\n'''exec' '" + quoted + `' "$0" "$@"` + "\n' '''"
}

// scripts are the launchers to make: those of the wheel, with uv's rule for
// pip: one named for another Python's minor version is left out, and pip3 gets
// a twin for this one's.
func scripts(points []wheel.EntryPoint, s Scheme) []wheel.EntryPoint {
	_, minor, _ := strings.Cut(s.PythonVersion, ".")
	var made []wheel.EntryPoint
	for _, e := range points {
		rest, versioned := strings.CutPrefix(e.Name, "pip3.")
		if versioned && !e.GUI && isSmallNumber(rest) {
			continue
		}
		made = append(made, e)
		if e.Name == "pip3" && !e.GUI {
			e.Name = "pip3." + minor
			made = append(made, e)
		}
	}
	return made
}

// isSmallNumber says whether s is a number from 0 to 255, as uv parses it.
func isSmallNumber(s string) bool {
	n := 0
	for _, c := range strings.TrimPrefix(s, "+") {
		if c < '0' || c > '9' || n > 255 {
			return false
		}
		n = n*10 + int(c-'0')
	}
	return s != "" && s != "+" && n <= 255
}

func launcherText(e wheel.EntryPoint, s Scheme) []byte {
	imported, _, _ := strings.Cut(e.Function, ".")
	return fmt.Appendf(nil, launcher, shebang(s.Python), e.Module, imported, e.Function)
}

// placeholder begins the first line of a script that wants the interpreter.
const placeholder = "#!python"

// rewritten says whether the script begins with the placeholder.
func rewritten(f wheel.File) (bool, error) {
	if f.Size() < int64(len(placeholder)) {
		return false, nil
	}
	c := f.Open()
	defer c.Close()
	start := make([]byte, len(placeholder))
	if _, err := io.ReadFull(c, start); err != nil {
		return false, fmt.Errorf("reading script %s: %w", f.Path(), err)
	}
	return string(start) == placeholder, nil
}

// script is a wheel's script whose first line becomes the interpreter's.
type script struct {
	file wheel.File
	line string // with its newline
	skip int64  // bytes of the first line that it replaces
}

func (s script) size() int64 { return int64(len(s.line)) + s.file.Size() - s.skip }

// newScript reads the script once: its first line may be of any length, and
// RECORD needs the hash of what comes out.
func newScript(f wheel.File, line string) (script, wheel.Entry, error) {
	s := script{file: f, line: line + "\n"}
	c := f.Open()
	defer c.Close()
	b := bufio.NewReaderSize(c, 32<<10)
	var err error
	for err = bufio.ErrBufferFull; errors.Is(err, bufio.ErrBufferFull); {
		var part []byte
		part, err = b.ReadSlice('\n')
		s.skip += int64(len(part))
	}
	h := sha256.New()
	h.Write([]byte(s.line))
	if err == nil {
		_, err = io.Copy(h, b)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return s, wheel.Entry{}, fmt.Errorf("reading script %s: %w", f.Path(), err)
	}
	return s, wheel.HashEntry("", h, s.size()), nil
}

// open reads the script as installed; what is skipped is verified all the same.
func (s script) open() (io.ReadCloser, error) {
	c := s.file.Open()
	if _, err := io.CopyN(io.Discard, c, s.skip); err != nil {
		c.Close()
		return nil, fmt.Errorf("reading script %s: %w", s.file.Path(), err)
	}
	return struct {
		io.Reader
		io.Closer
	}{io.MultiReader(strings.NewReader(s.line), c), c}, nil
}

func (s script) sha256() ([]byte, error) {
	c, err := s.open()
	if err != nil {
		return nil, err
	}
	defer c.Close()
	h := sha256.New()
	_, err = io.Copy(h, c)
	return h.Sum(nil), err
}

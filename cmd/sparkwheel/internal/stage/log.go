package stage

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// Of a long log the beginning and the end are kept: what was run, and how it
// ended. A log that is larger than plainLog is compressed when the stage ends.
const (
	logHead  = 32 << 20
	logTail  = 32 << 20
	plainLog = 1 << 20
)

// logFile is a log while it is written: the first bytes up to head, then the
// last ones as a ring of size tail behind them.
type logFile struct {
	file       *os.File
	head, tail int64
	written    int64 // in all
}

func createLog(path string) (*logFile, error) {
	file, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	return &logFile{file: file, head: logHead, tail: logTail}, nil
}

// Write writes all of p.
func (l *logFile) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		at, room := l.written, l.head+l.tail-l.written
		if l.written >= l.head {
			place := (l.written - l.head) % l.tail
			at, room = l.head+place, l.tail-place
		}
		n, err := l.file.WriteAt(rest[:min(int64(len(rest)), room)], at)
		l.written += int64(n)
		if err != nil {
			return len(p) - len(rest) + n, err
		}
		rest = rest[n:]
	}
	return len(p), nil
}

// Close puts the end behind the beginning, and compresses a long log; path is
// where it then is.
func (l *logFile) Close() (path string, err error) {
	path = l.file.Name()
	if l.written <= plainLog {
		return path, l.file.Close()
	}
	packed := path + ".gz"
	if err := l.compress(packed); err != nil {
		return path, errors.Join(err, l.file.Close())
	}
	return packed, errors.Join(l.file.Close(), os.Remove(path))
}

func (l *logFile) compress(path string) (err error) {
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, out.Close()); err != nil {
			err = errors.Join(err, os.Remove(path))
		}
	}()
	w, err := gzip.NewWriterLevel(out, gzip.BestSpeed)
	if err != nil {
		return err
	}
	for _, part := range l.parts() {
		if _, err := io.Copy(w, part); err != nil {
			return err
		}
	}
	return w.Close()
}

// parts are the log in its order, with a line where something is left out.
func (l *logFile) parts() []io.Reader {
	whole := l.head + l.tail
	if l.written <= whole {
		return []io.Reader{io.NewSectionReader(l.file, 0, l.written)}
	}
	start := (l.written - l.head) % l.tail
	return []io.Reader{
		io.NewSectionReader(l.file, 0, l.head),
		strings.NewReader(fmt.Sprintf("\n\nsparkwheel: %d bytes of the log are left out here\n\n", l.written-whole)),
		io.NewSectionReader(l.file, l.head+start, l.tail-start),
		io.NewSectionReader(l.file, l.head, start),
	}
}

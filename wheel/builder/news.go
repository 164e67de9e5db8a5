package builder

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/sparkwheel/sparkwheel/wheel/builder/launcher"
)

// listen shows in the log what launchers see while the build goes on: build
// systems hold back what a compiler prints until it ends. done ends that, once
// nothing of the build runs any more.
func (b *build) listen() (done func() error, err error) {
	if b.spec.Launcher == "" {
		return func() error { return nil }, nil
	}
	b.log = &locked{w: b.log}
	file := filepath.Join(b.host(dirLaunch), launcher.NewsFile)
	if err := syscall.Mkfifo(file, 0o600); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, &os.PathError{Op: "mkfifo", Path: file, Err: err}
	}
	// Open for writing too, it never ends before it is closed.
	fifo, err := os.OpenFile(file, os.O_RDWR|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	ended := make(chan error, 1)
	go func() { ended <- relay(b.log, fifo) }()
	return func() error {
		_, err := fifo.Write([]byte{0})
		return errors.Join(err, <-ended, fifo.Close())
	}, nil
}

// relay copies until a zero byte.
func relay(to io.Writer, from io.Reader) error {
	p := make([]byte, 4096)
	for {
		n, err := from.Read(p)
		text, _, last := bytes.Cut(p[:n], []byte{0})
		if _, writeErr := to.Write(text); writeErr != nil && err == nil {
			err = writeErr
		}
		if last || err != nil {
			return err
		}
	}
}

// locked is a writer for several goroutines.
type locked struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

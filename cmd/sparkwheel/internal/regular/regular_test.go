package regular

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, link, fifo, large := filepath.Join(dir, "file"), filepath.Join(dir, "link"), filepath.Join(dir, "fifo"), filepath.Join(dir, "large")
	sockets, err := os.MkdirTemp("", "sw") // short enough for a socket's name
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(sockets) })
	socket := filepath.Join(sockets, "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := errors.Join(os.WriteFile(file, []byte("text"), 0o600), os.Symlink(file, link), os.Symlink(fifo, filepath.Join(dir, "to-fifo")),
		syscall.Mkfifo(fifo, 0o600), os.WriteFile(large, nil, 0o600), os.Truncate(large, MaxText+1)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, link} {
		if text, err := Read(path); err != nil || string(text) != "text" {
			t.Errorf("%s: %q, %v", path, text, err)
		}
	}
	for path, want := range map[string]string{
		dir: "it is a directory, not a regular file", fifo: "it is a FIFO", filepath.Join(dir, "to-fifo"): "it is a FIFO",
		"/dev/zero": "it is a device", socket: "it is a socket", large: "larger than 64 MiB", filepath.Join(dir, "none"): "no such file",
	} {
		_, err := Read(path)
		if _, ok := errors.AsType[*fs.PathError](err); !ok || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, not %q", path, err, want)
		}
	}
}

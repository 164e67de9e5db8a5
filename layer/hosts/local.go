package hosts

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Local reads images that the runtimes of this machine have. It downloads
// nothing and changes nothing.
type Local struct {
	// Env is the environment of podman and ctr: PATH, HOME, XDG_RUNTIME_DIR,
	// CONTAINERD_ADDRESS, CONTAINERD_NAMESPACE.
	Env []string
	// Docker reaches docker's API, and DockerURL is where: http://docker for a
	// client that dials its socket.
	Docker    *http.Client
	DockerURL string
}

// Found is an image that a runtime has.
type Found struct {
	// Digest pins the image: that of its manifest, or that of its configuration
	// where the runtime keeps the layers uncompressed (the configuration names
	// them by their diffIDs). It is zero where only Open learns it.
	Digest v1.Hash
	open   func(ctx context.Context, dir, cacheDir string) (v1.Image, v1.Hash, error)
}

// Open returns the image and the digest that pins it. What must be copied first
// goes below dir, as an archive that the image is read from: dir must stay
// while the image is in use. Uncompressed layers are compressed below cacheDir,
// as those of a docker-archive. Nothing but what was found is ever returned.
func (f *Found) Open(ctx context.Context, dir, cacheDir string) (v1.Image, v1.Hash, error) {
	return f.open(ctx, dir, cacheDir)
}

// NotFoundError says that a runtime of this machine has no image of that name.
type NotFoundError struct{ Runtime, Reference string }

func (e *NotFoundError) Error() string {
	list := map[string]string{docker: "docker image ls", podman: "podman image ls", containerd: "ctr image ls"}[e.Runtime]
	return fmt.Sprintf("%s does not have the image %q; `%s` lists its images", e.Runtime, e.Reference, list)
}

// errNoProgram is the error of a client that is not installed.
var errNoProgram = exec.ErrNotFound

// run runs a client of this machine to its end. A command that failed is a
// *CommandError with the end of what it wrote to stderr.
func (l *Local) run(ctx context.Context, stdout io.Writer, args ...string) error {
	cmd, err := l.command(ctx, args)
	if err != nil {
		return err
	}
	stderr := &tail{}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	return ended(ctx, cmd.Run(), args, stderr)
}

// command is a client of this machine in a process group of its own: ^C on the
// terminal is not for it, and the context ends it.
func (l *Local) command(ctx context.Context, args []string) (*exec.Cmd, error) {
	program, err := l.find(args[0])
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, program, args[1:]...)
	cmd.Env = l.Env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	return cmd, nil
}

// find looks a program up on Env's PATH.
func (l *Local) find(name string) (string, error) {
	for _, kv := range l.Env {
		dirs, ok := strings.CutPrefix(kv, "PATH=")
		if !ok {
			continue
		}
		for _, dir := range filepath.SplitList(dirs) {
			path := filepath.Join(dir, name)
			if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 && filepath.IsAbs(path) {
				return path, nil
			}
		}
	}
	return "", fmt.Errorf("%s is not installed, or not on PATH: %w", name, errNoProgram)
}

func ended(ctx context.Context, err error, args []string, stderr *tail) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return &CommandError{"this host", args, exit.ExitCode(), stderr.String()}
	}
	return err
}

// spool writes what fill sends into dir, and returns the file's path.
func spool(dir string, fill func(io.Writer) error) (path string, err error) {
	f, err := os.CreateTemp(dir, "image-*.tar")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return f.Name(), fill(f)
}

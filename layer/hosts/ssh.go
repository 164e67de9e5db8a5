package hosts

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// SSH dials with the user's own ssh program, and with it their configuration,
// agent and known_hosts. It never asks a question: a host key that is not
// known, or a password, is an error that says what to type.
type SSH struct {
	// Program is ssh's path (default "ssh", found on PATH).
	Program string
	// Shell is what to run instead of Program, a line for /bin/sh that ssh's
	// arguments are appended to, as GIT_SSH_COMMAND is for git.
	Shell string
	// Args come before the host: -F FILE, -o OPTION.
	Args []string
	// Env is the environment of ssh: HOME, SSH_AUTH_SOCK, PATH.
	Env []string
	// Dir is where control sockets are made; its path must be short (a socket's
	// is limited to about 100 bytes).
	Dir string
	// Via maps a host to the address to use for it, on a faster fabric, while
	// its key is still checked under the host's own name.
	Via map[string]string
}

var _ Dialer = (*SSH)(nil)

// Dial opens one connection that all commands share, so that a host is logged
// in to once.
func (s *SSH) Dial(ctx context.Context, host string) (Conn, error) {
	if err := checkHost(host); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(s.Dir, "ssh-")
	if err != nil {
		return nil, &ConnectError{Host: host, Err: err}
	}
	c := &sshConn{ssh: s, host: host, dir: dir}
	if err := c.open(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

type sshConn struct {
	ssh    *SSH
	host   string
	dir    string
	master *exec.Cmd
	stdin  io.Closer
	stderr *tail
	once   sync.Once
}

// options hold for every call of ssh: no question, dead peers noticed within a
// minute, and none of the user's own forwards, which would clash with a
// session of theirs.
func (c *sshConn) options() []string {
	return append([]string{"-S", filepath.Join(c.dir, "s"), "-o", "ControlPersist=no"}, quiet()...)
}

func quiet() []string {
	return []string{
		"-T",
		"-o", "BatchMode=yes", "-o", "ConnectTimeout=20", "-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=3",
		"-o", "ClearAllForwardings=yes", "-o", "PermitLocalCommand=no", "-o", "RemoteCommand=none",
	}
}

// open starts the master: a session that says when it is there and lives as
// long as its stdin is open.
func (c *sshConn) open(ctx context.Context) error {
	args := append(c.options(), "-o", "ControlMaster=yes")
	args = append(args, c.ssh.Args...)
	via, err := c.via(ctx)
	if err != nil {
		return err
	}
	args = append(args, via...)
	// The master outlives the dialing: Close ends it.
	c.master = c.ssh.command(context.WithoutCancel(ctx), append(args, c.host, "--", "echo ready; exec cat >/dev/null")...)
	c.stderr = &tail{}
	c.master.Stderr = c.stderr
	in, err := c.master.StdinPipe()
	if err != nil {
		return &ConnectError{Host: c.host, Err: err}
	}
	out, err := c.master.StdoutPipe()
	if err != nil {
		return &ConnectError{Host: c.host, Err: err}
	}
	if err := c.master.Start(); err != nil {
		c.master = nil
		return &ConnectError{Host: c.host, Err: err}
	}
	c.stdin = in
	stop := context.AfterFunc(ctx, func() { _ = c.master.Process.Kill() })
	defer stop()
	// A login script may print before the command does.
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if lines.Text() == "ready" {
			return nil
		}
	}
	werr := c.master.Wait()
	c.master = nil
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return &ConnectError{Host: c.host, Tail: c.stderr.String(), Err: werr}
}

// via names the address to use and, for the host's key, the name that it has
// in known_hosts.
func (c *sshConn) via(ctx context.Context) ([]string, error) {
	addr := c.ssh.Via[c.host]
	if addr == "" {
		return nil, nil
	}
	var out bytes.Buffer
	cmd := c.ssh.command(ctx, append(append([]string{}, c.ssh.Args...), "-G", c.host)...)
	cmd.Stdout = &out
	if err := cmd.Run(); err != nil {
		return nil, &ConnectError{Host: c.host, Err: fmt.Errorf("reading ssh's configuration: %w", err)}
	}
	hostname, port := c.host, "22"
	for line := range strings.Lines(out.String()) {
		key, val, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch key {
		case "hostname":
			hostname = val
		case "port":
			port = val
		case "hostkeyalias":
			return []string{"-o", "HostName=" + addr}, nil
		}
	}
	if port != "22" {
		hostname = net.JoinHostPort(hostname, port)
		if !strings.HasPrefix(hostname, "[") {
			hostname = "[" + strings.TrimSuffix(hostname, ":"+port) + "]:" + port
		}
	}
	return []string{"-o", "HostName=" + addr, "-o", "HostKeyAlias=" + hostname}, nil
}

func (c *sshConn) Run(ctx context.Context, args []string, stdin io.Reader, stdout io.Writer) error {
	// Only through the master: without it ssh would dial anew, perhaps elsewhere.
	call := append(c.options(), "-o", "ControlMaster=no", "-o", "ProxyCommand=false")
	call = append(call, c.ssh.Args...)
	cmd := c.ssh.command(ctx, append(call, c.host, "--", quote(args))...)
	cmd.Stdin, cmd.Stdout = stdin, stdout
	err := talk(ctx, cmd, c.host, args)
	if broken, ok := errors.AsType[*ConnectError](err); ok {
		broken.Tail = strings.TrimSpace(broken.Tail + " " + c.stderr.String())
	}
	return err
}

func (c *sshConn) Forward(ctx context.Context, target string) (int, error) {
	var out bytes.Buffer
	stderr := &tail{}
	// Without the user's configuration, which may hold forwards of its own: they
	// would be asked for too, and ClearAllForwardings would clear this one.
	cmd := c.ssh.command(ctx, "-F", "/dev/null", "-S", filepath.Join(c.dir, "s"), "-O", "forward", "-R", "127.0.0.1:0:"+target, c.host)
	cmd.Stdout, cmd.Stderr = &out, stderr
	if err := cmd.Run(); err != nil {
		return 0, fmt.Errorf("%s: opening a reverse tunnel: %w: %s", c.host, err, stderr)
	}
	port, err := strconv.Atoi(strings.TrimSpace(out.String()))
	if err != nil || port <= 0 {
		return 0, fmt.Errorf("%s: opening a reverse tunnel: ssh said %q in place of a port", c.host, out.String())
	}
	return port, nil
}

func (c *sshConn) Close() error {
	c.once.Do(func() {
		if c.master != nil {
			c.stdin.Close()
			t := time.AfterFunc(5*time.Second, func() { _ = c.master.Process.Kill() })
			_ = c.master.Wait()
			t.Stop()
		}
		os.RemoveAll(c.dir)
	})
	return nil
}

// quote makes one line for the host's shell of a command's words.
func quote(args []string) string {
	out := make([]string, len(args))
	for i, a := range args {
		if a != "" && strings.Trim(a, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=@,+") == "" {
			out[i] = a
			continue
		}
		out[i] = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
	}
	return strings.Join(out, " ")
}

// tail keeps the end of what a program writes to stderr.
type tail struct {
	mu sync.Mutex
	b  []byte
}

const tailSize = 2000

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	if len(t.b) > tailSize {
		t.b = t.b[len(t.b)-tailSize:]
	}
	return len(p), nil
}

// String is one line, without what would move a terminal's cursor.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	clean := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, string(t.b))
	return strings.Join(strings.Fields(clean), " ")
}

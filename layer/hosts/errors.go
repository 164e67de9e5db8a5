package hosts

import (
	"fmt"
	"strings"
)

// CommandError is a command that ran on a host and failed there.
type CommandError struct {
	Host string
	Args []string
	Code int
	// Tail is the end of what it wrote to stderr.
	Tail string
}

func (e *CommandError) Error() string {
	return fmt.Sprintf("%s: %s: exit code %d: %s", e.Host, strings.Join(e.Args[:min(3, len(e.Args))], " "), e.Code, e.Tail)
}

// ConnectError is a host that cannot be reached, or that is not who it was.
type ConnectError struct {
	Host string
	// Tail is the end of what ssh said.
	Tail string
	Err  error
}

func (e *ConnectError) Error() string {
	msg := fmt.Sprintf("connecting to %s: %s", e.Host, e.Err)
	if e.Tail != "" {
		msg += ": " + e.Tail
	}
	switch {
	case strings.Contains(e.Tail, "REMOTE HOST IDENTIFICATION HAS CHANGED"), strings.Contains(e.Tail, "Host key verification failed"):
		msg += "; check the host, then accept its key with `ssh " + e.Host + "`"
	case strings.Contains(e.Tail, "Permission denied"):
		msg += "; `ssh " + e.Host + "` must log in without a prompt: use a key and ssh-agent"
	}
	return msg
}

func (e *ConnectError) Unwrap() error { return e.Err }

// NoRuntimeError is a host on which no container runtime answers.
type NoRuntimeError struct{ Host, Asked string }

func (e *NoRuntimeError) Error() string {
	if e.Asked != "" {
		return fmt.Sprintf("%s: %s does not answer, with or without sudo -n; try `ssh %s %s info`", e.Host, e.Asked, e.Host, e.Asked)
	}
	return fmt.Sprintf("%s: neither docker nor podman nor containerd answers, with or without sudo -n; try `ssh %s docker info`", e.Host, e.Host)
}

// SpaceError is a host whose disk would not hold the image.
type SpaceError struct {
	Host, Dir  string
	Need, Free int64
}

func (e *SpaceError) Error() string {
	return fmt.Sprintf("%s: about %d MiB are needed in %s, but %d MiB are free; make room, for example with `docker image prune`", e.Host, e.Need>>20, e.Dir, e.Free>>20)
}

// VerifyError is a host that ended up with something else than was sent.
type VerifyError struct{ Host, Tag, Want, Got string }

func (e *VerifyError) Error() string {
	return fmt.Sprintf("%s: %s is %q there, not %s", e.Host, e.Tag, e.Got, e.Want)
}

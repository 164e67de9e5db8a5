package git

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// Mirrors is a directory of bare repositories, one for each URL, that any
// number of processes may use at once. The zero value of every field but Dir
// is fit for use.
type Mirrors struct {
	// Dir holds the repositories. It is made when it is missing.
	Dir string
	// Rewrites send URLs elsewhere; mirrors are still kept by the first URL.
	Rewrites []Rewrite
	// Transport carries the requests; nil is http.DefaultTransport. It brings
	// proxies and CA certificates with it, repeats what got no answer and ends
	// what stands still.
	Transport http.RoundTripper
	// Credentials answers for a host (with its port, when the URL gives one).
	// An empty user makes the password a bearer token. Nothing is sent to a
	// host that a redirect leads to.
	Credentials func(host string) (user, password string, ok bool)
	// Offline makes every need of the network an error: see ErrOffline.
	Offline bool
	// Local is the absolute directory that a repository named by a path is
	// relative to: see IsPath. Empty refuses paths and file URLs. Those that a
	// tree gives for its submodules are always refused.
	Local string
	// SSH runs a command on the host that an ssh URL names, by the user's own
	// ssh; nil is none, and ssh URLs are refused.
	SSH func(ctx context.Context, host string, args []string, stdin io.Reader, stdout io.Writer) error
	// Git runs the user's own git, which reads repositories on this host; nil is
	// none, and they are refused.
	Git func(ctx context.Context, c Call) error
	// Idle ends what SSH and Git run when it says nothing for so long; 0 is one
	// minute. A git server says every five seconds that it is at work.
	Idle time.Duration
}

// ErrOffline says that the mirrors lack what was asked for and may not fetch.
var ErrOffline = errors.New("not cached, and the network is not allowed")

func (m *Mirrors) transport() http.RoundTripper {
	if m.Transport != nil {
		return m.Transport
	}
	return http.DefaultTransport
}

func (m *Mirrors) idle() time.Duration {
	if m.Idle > 0 {
		return m.Idle
	}
	return time.Minute
}

// Path is the bare repository of a URL's whole commits, there or not: what is
// copied elsewhere serves as a mirror there.
func (m *Mirrors) Path(url string) string { return filepath.Join(m.Dir, mirrorKey(url)+".git") }

// MirrorNames are the entries of Mirrors.Dir that hold what was fetched from a
// URL, there or not: what must stay so that it need not be fetched again.
func MirrorNames(url string) []string {
	key := mirrorKey(url)
	return []string{key + ".git", key + ".history.git"}
}

// mirror opens the repository of whole commits of a URL.
func (m *Mirrors) mirror(url string) (*repository, error) {
	return m.open(mirrorKey(url) + ".git")
}

// history opens the repository beside the mirror that holds commits without
// their trees.
func (m *Mirrors) history(url string) (*repository, error) {
	return m.open(mirrorKey(url) + ".history.git")
}

// heal runs work, and where it met a mirror that is damaged on disk, empties
// that mirror, says so on w and runs it once more.
func (m *Mirrors) heal(ctx context.Context, w io.Writer, work func() error) error {
	err := work()
	broken, ok := errors.AsType[*brokenError](err)
	if !ok || m.Offline || ctx.Err() != nil {
		return err
	}
	fmt.Fprintf(w, "%v; fetching it again\n", err)
	if err := broken.repo.reset(ctx); err != nil {
		return fmt.Errorf("emptying a damaged mirror: %w", err)
	}
	return work()
}

func (m *Mirrors) open(name string) (*repository, error) {
	if err := os.MkdirAll(m.Dir, 0o777); err != nil {
		return nil, fmt.Errorf("making the directory of git mirrors: %w", err)
	}
	return openRepository(filepath.Join(m.Dir, name))
}

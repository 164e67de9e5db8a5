// Package pipeline knows the order of the work and nothing else: it lends the
// rooms' functions to stages, and hands what one returns to the next.
package pipeline

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
	"github.com/sparkwheel/sparkwheel/git"
	"github.com/sparkwheel/sparkwheel/layer/registry"
	"github.com/sparkwheel/sparkwheel/wheel/index"
	"github.com/sparkwheel/sparkwheel/wheel/sandbox"
)

// Env is what the host lends to a run: its store, its network, its processors.
// Nothing in it may change a result.
type Env struct {
	Store    store.Store
	Mirrors  *git.Mirrors
	Index    *index.Client
	Registry *registry.Client
	Host     v1.Platform
	Sandbox  sandbox.Mode
	Network  Network
	// IndexPassword answers for a recipe's index by its name; nil: none has one.
	IndexPassword func(index string) (user, password string, ok bool)
	Netrc         []byte // the user's, for uv
	Launcher      string // path of this program, bound into builds as compiler launcher
	Offline       bool
	Jobs          int
}

// Network is the network as the fetch phase's uv needs it inside the sandbox.
type Network struct {
	Env    []string        // index, proxy and certificate variables
	Mounts []sandbox.Mount // resolv.conf, hosts, certificates
}

// blobs is where downloads and written blobs lie, by sha256.
func (e Env) blobs() string { return e.Store.Blobs() }

// noting is the same host, whose store tells a stage's user of damage and of
// waiting for another run, and whose index client of its retries.
func (e Env) noting(r *stage.Run) Env {
	e.Store = e.Store.Noting(r.Note)
	client := *e.Index
	client.Retrying = func(url string, wait time.Duration, cause error) {
		r.Note("trying %s again in %v: %v", url, wait.Round(time.Millisecond), cause)
	}
	e.Index = &client
	return e
}

// scratch is where a run may make directories that it removes itself.
func (e Env) scratch() string { return e.Store.Scratch() }

// OfflineError says that something would have to be brought while --offline
// forbids it.
type OfflineError struct{ What string }

func (e *OfflineError) Error() string {
	return fmt.Sprintf("%s is not in the store and --offline forbids fetching it; run `sparkwheel fetch` while there is a network", e.What)
}

// offline says which of the files cannot be had without the network. One that
// is there in another size was cut off, or is another's.
func (e Env) offline(all []index.Pin) error {
	var missing []string
	for _, p := range all {
		if p.Present(e.blobs()) {
			continue
		}
		if info, err := os.Stat(p.Path(e.blobs())); err == nil {
			return fmt.Errorf("%w: %w", &DamagedError{p.File, info.Size(), p.Size}, &OfflineError{p.File})
		}
		missing = append(missing, p.File)
	}
	return &OfflineError{some(missing)}
}

// DamagedError says that a file of the store has another size than the lock
// pins.
type DamagedError struct {
	File      string
	Got, Want int64
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("%s is damaged in the store (%d bytes of %d)", e.File, e.Got, e.Want)
}

// platform is the recipe's platform, with "host" replaced by this one.
func (e Env) platform(p string) (v1.Platform, error) {
	if p == "host" {
		return e.Host, nil
	}
	parsed, err := v1.ParsePlatform(p)
	if err != nil {
		return v1.Platform{}, fmt.Errorf("platform %q: %w", p, err)
	}
	return *parsed, nil
}

// PlatformError says that a recipe is for another platform than this host.
type PlatformError struct{ Want, Host string }

func (e *PlatformError) Error() string {
	return fmt.Sprintf("the recipe is for %s and this host is %s: build it on a %s host, or set target.platform to \"host\"", e.Want, e.Host, e.Want)
}

// isPath tells BASE forms that name something on this host from references.
func isPath(base string) bool {
	for _, scheme := range []string{"oci:", "oci-archive:", "docker-archive:", "tar:"} {
		if strings.HasPrefix(base, scheme) {
			return true
		}
	}
	return false
}

// parseReference reads an image reference; a bare port on loopback is plain
// HTTP by the registry client's own rule.
func parseReference(s string) (name.Reference, error) {
	ref, err := name.ParseReference(s)
	if err != nil {
		return nil, fmt.Errorf("base %q is neither oci:DIR, docker-archive:FILE, tar:FILE nor an image reference: %w", s, err)
	}
	return ref, nil
}

// logf writes one line for the stage's log.
func logf(w io.Writer, format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }

// Package host is what the host lends to a run: its store, its network, its
// processors, and the ways to bring a file into the store and to place one
// outside it. It also reads BASE, the name of an image on this host or in a
// registry.
package host

import (
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
	"github.com/sparkwheel/sparkwheel/git"
	"github.com/sparkwheel/sparkwheel/layer/hosts"
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
	// Runtimes are this host's docker, podman and containerd.
	Runtimes *hosts.Local
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

// Blobs is where downloads and written blobs lie, by sha256.
func (e Env) Blobs() string { return e.Store.Blobs() }

// Noting is the same host, whose store tells a stage's user of damage and of
// waiting for another run.
func (e Env) Noting(r *stage.Run) Env {
	e.Store = e.Store.Noting(r.Note)
	return e
}

// Scratch is where a run may make directories that it removes itself.
func (e Env) Scratch() string { return e.Store.Scratch() }

// Package hosts brings an image to other machines over SSH: only the layers
// that a machine lacks, into the docker, podman or containerd that runs there,
// with nothing installed or configured on it. Start with Loader.Load. It also
// reads the images that such a runtime of this machine has: start with Local.
package hosts

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"
)

// A Dialer opens connections to hosts. *SSH is one.
type Dialer interface {
	Dial(ctx context.Context, host string) (Conn, error)
}

// A Conn runs commands on one host. Its methods may be called from several
// goroutines; Close ends what still runs.
type Conn interface {
	// Run runs a command to its end; stdin and stdout may be nil. A command
	// that ran and failed is a *CommandError.
	Run(ctx context.Context, args []string, stdin io.Reader, stdout io.Writer) error
	// Forward makes target, an address on this machine, reachable on the host
	// at 127.0.0.1 and the port returned, until Close.
	Forward(ctx context.Context, target string) (port int, err error)
	Close() error
}

// A Loader copies images to hosts.
type Loader struct {
	Dialer Dialer
	// Limit is how many hosts are served at once (default 8).
	Limit int
	// Runtime is docker, podman or containerd; empty takes what answers first.
	Runtime string
	// Namespace is containerd's (default "default").
	Namespace string
	// Now measures Result.Took; nil leaves it zero.
	Now func() time.Time
	// Progress is told what has gone to a host and about how much will; it may
	// be nil and is called from several goroutines.
	Progress func(host string, done, total int64)
}

// A Result is what became of one host.
type Result struct {
	Host    string
	Runtime string // docker, podman or containerd, and its version
	// Sent counts bytes of layers, configuration and manifests sent; Skipped
	// those of layers that the host had.
	Sent, Skipped int64
	Took          time.Duration
	Err           error
}

// Load brings img to every host and names it tag there. One host's failure
// stops no other: it stands in its Result. The results are in hosts' order. An
// image that a host has already, under that tag, costs a question.
func (l *Loader) Load(ctx context.Context, img v1.Image, tag name.Tag, hosts []string) []Result {
	out := make([]Result, len(hosts))
	var g errgroup.Group
	limit := l.Limit
	if limit < 1 {
		limit = 8
	}
	g.SetLimit(limit)
	for i, host := range hosts {
		g.Go(func() error {
			out[i] = l.host(ctx, img, tag, host)
			return nil
		})
	}
	_ = g.Wait()
	return out
}

func (l *Loader) host(ctx context.Context, img v1.Image, tag name.Tag, host string) (r Result) {
	r.Host = host
	if l.Now != nil {
		start := l.Now()
		defer func() { r.Took = l.Now().Sub(start) }()
	}
	want, err := describe(img, tag)
	if err != nil {
		r.Err = fmt.Errorf("reading the image: %w", err)
		return r
	}
	conn, err := l.Dialer.Dial(ctx, host)
	if err != nil {
		r.Err = err
		return r
	}
	defer conn.Close()
	t := &transfer{loader: l, conn: conn, host: host, want: want}
	r.Err = t.run(ctx)
	r.Runtime, r.Sent, r.Skipped = t.runtime.String(), t.sent.Load(), t.skipped
	return r
}

// wanted is the image as the transfers need it.
type wanted struct {
	img      v1.Image
	tag      name.Tag
	digest   v1.Hash // of the manifest
	id       v1.Hash // of the configuration: docker's and podman's image ID
	manifest *v1.Manifest
	config   []byte
	diffIDs  []v1.Hash
	layers   []v1.Layer
}

func describe(img v1.Image, tag name.Tag) (*wanted, error) {
	w := &wanted{img: img, tag: tag}
	var err error
	if w.digest, err = img.Digest(); err != nil {
		return nil, err
	}
	if w.id, err = img.ConfigName(); err != nil {
		return nil, err
	}
	if w.manifest, err = img.Manifest(); err != nil {
		return nil, err
	}
	if w.config, err = img.RawConfigFile(); err != nil {
		return nil, err
	}
	conf, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	w.diffIDs = conf.RootFS.DiffIDs
	if w.layers, err = img.Layers(); err != nil {
		return nil, err
	}
	if len(w.layers) != len(w.diffIDs) || len(w.layers) != len(w.manifest.Layers) {
		return nil, fmt.Errorf("it has %d layers, %d in its manifest and %d diffIDs", len(w.layers), len(w.manifest.Layers), len(w.diffIDs))
	}
	return w, nil
}

// name is the tag in full, as every runtime takes it.
func (w *wanted) name() string { return dockerName(w.tag) }

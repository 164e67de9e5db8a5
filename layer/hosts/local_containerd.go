package hosts

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os/exec"
	"path"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/sparkwheel/sparkwheel/layer/layout"
)

// FindContainerd finds an image of this machine's containerd by its name, or by
// the digest of its manifest, for platform p. It is read blob by blob through
// ctr from containerd's content store, compressed as it came, and pinned by its
// manifest. Ctx must live as long as the image is read.
func (l *Local) FindContainerd(ctx context.Context, ref string, p v1.Platform) (*Found, error) {
	target, err := l.containerdTarget(ctx, ref)
	if err != nil {
		return nil, err
	}
	c := &content{ctx: ctx, local: l}
	if c.index, err = c.indexOf(target); err != nil {
		return nil, err
	}
	img, err := layout.ReadFS(c, "containerd's "+ref, "", p)
	if err != nil {
		return nil, err
	}
	digest, err := img.Digest()
	if err != nil {
		return nil, err
	}
	return &Found{digest, func(context.Context, string, string) (v1.Image, v1.Hash, error) {
		return img, digest, nil
	}}, nil
}

// containerdTarget is the digest of what a name means: names are exact in
// containerd, so that both the one typed and docker's long form are looked for.
func (l *Local) containerdTarget(ctx context.Context, ref string) (v1.Hash, error) {
	if h, err := v1.NewHash(ref); err == nil {
		return h, nil
	}
	names := []string{ref}
	if parsed, err := name.ParseReference(ref); err == nil {
		names = append(names, dockerName(parsed))
	}
	for _, n := range names {
		out := &limited{rest: maxAnswer}
		if err := l.run(ctx, out, "ctr", "images", "ls", "name=="+n); err != nil {
			return v1.Hash{}, fmt.Errorf("asking containerd: %w", err)
		}
		for line := range strings.Lines(out.String()) {
			if f := strings.Fields(line); len(f) > 2 && f[0] == n {
				return v1.NewHash(f[2])
			}
		}
	}
	return v1.Hash{}, &NotFoundError{containerd, ref}
}

// dockerName is a reference in full. Only ggcr calls Docker's registry by its
// address.
func dockerName(ref name.Reference) string {
	if rest, ok := strings.CutPrefix(ref.Name(), name.DefaultRegistry+"/"); ok {
		return "docker.io/" + rest
	}
	return ref.Name()
}

// content is containerd's content store as the file system of an OCI layout
// with one image.
type content struct {
	ctx   context.Context //nolint:containedctx // fs.FS has no place for one: FindContainerd's doc says how long it must live.
	local *Local
	index []byte
}

var _ fs.StatFS = (*content)(nil)

// indexOf makes the layout's index.json, which lists what the digest names.
func (c *content) indexOf(target v1.Hash) ([]byte, error) {
	out := &limited{rest: maxAnswer}
	if err := c.local.run(c.ctx, out, "ctr", "content", "get", target.String()); err != nil {
		return nil, kept(err, target.String())
	}
	var document struct {
		MediaType types.MediaType `json:"mediaType"`
		Manifests json.RawMessage `json:"manifests"`
	}
	if err := json.Unmarshal(out.Bytes(), &document); err != nil {
		return nil, fmt.Errorf("reading manifest %s: %w", target, err)
	}
	switch {
	case document.MediaType != "":
	case document.Manifests != nil:
		document.MediaType = types.OCIImageIndex
	default:
		document.MediaType = types.OCIManifestSchema1
	}
	return json.Marshal(v1.IndexManifest{SchemaVersion: 2, Manifests: []v1.Descriptor{
		{MediaType: document.MediaType, Digest: target, Size: int64(out.Len())},
	}})
}

// Stat answers without asking containerd: Open tells what is not there.
func (c *content) Stat(file string) (fs.FileInfo, error) {
	return blobInfo{path.Base(file), int64(len(c.index))}, nil
}

func (c *content) Open(file string) (fs.File, error) {
	if file == "index.json" {
		return &blobFile{Reader: bytes.NewReader(c.index), close: func() error { return nil }}, nil
	}
	digest := "sha256:" + path.Base(file)
	args := []string{"ctr", "content", "get", digest}
	ctx, cancel := context.WithCancel(c.ctx)
	cmd, err := c.local.command(ctx, args)
	if err != nil {
		cancel()
		return nil, err
	}
	stderr := &tail{}
	cmd.Stderr = stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		cancel()
		return nil, err
	}
	r := &commandReader{out: out, cmd: cmd, failed: func(err error) error {
		return kept(ended(c.ctx, err, args, stderr), digest)
	}}
	return &blobFile{Reader: r, close: func() error {
		cancel()
		_ = r.wait()
		return nil
	}}, nil
}

// kept says why containerd may have an image without its blobs.
func kept(err error, digest string) error {
	if failed, ok := errors.AsType[*CommandError](err); ok && strings.Contains(failed.Tail, "not found") {
		return fmt.Errorf("containerd no longer has %s of it: with discard_unpacked_layers, or for another platform, it keeps no compressed layers; pull the image again: %w", digest, err)
	}
	return err
}

// commandReader is what a command writes: its end is an error where the command
// failed.
type commandReader struct {
	out    io.Reader
	cmd    *exec.Cmd
	failed func(error) error
	waited bool
	err    error
}

func (r *commandReader) Read(p []byte) (int, error) {
	n, err := r.out.Read(p)
	if err != nil {
		if werr := r.failed(r.wait()); werr != nil {
			err = werr
		}
	}
	return n, err
}

func (r *commandReader) wait() error {
	if !r.waited {
		r.waited, r.err = true, r.cmd.Wait()
	}
	return r.err
}

type blobFile struct {
	io.Reader
	close func() error
}

func (f *blobFile) Close() error               { return f.close() }
func (f *blobFile) Stat() (fs.FileInfo, error) { return blobInfo{}, nil }

type blobInfo struct {
	name string
	size int64
}

func (i blobInfo) Name() string       { return i.name }
func (i blobInfo) Size() int64        { return i.size }
func (i blobInfo) Mode() fs.FileMode  { return 0o444 }
func (i blobInfo) ModTime() time.Time { return time.Time{} }
func (i blobInfo) IsDir() bool        { return false }
func (i blobInfo) Sys() any           { return nil }

package hosts

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/sparkwheel/sparkwheel/layer/archive"
)

// FindDocker finds an image of this machine's docker by its name or its ID; of
// several platforms Open takes p's. A docker with containerd's store keeps the
// compressed layers, and Open gives them back as they are; another keeps none,
// and the image is pinned by its configuration, which is its ID.
func (l *Local) FindDocker(ctx context.Context, ref string, p v1.Platform) (*Found, error) {
	var image struct {
		ID v1.Hash `json:"Id"`
	}
	if err := l.askDocker(ctx, ref, (&url.URL{Path: "/images/" + ref + "/json"}).EscapedPath(), &image); err != nil {
		return nil, err
	}
	var info struct {
		DriverStatus [][2]string
	}
	if err := l.askDocker(ctx, ref, "/info", &info); err != nil {
		return nil, err
	}
	for _, status := range info.DriverStatus {
		if strings.HasPrefix(status[1], "io.containerd.snapshotter") {
			return &Found{open: func(ctx context.Context, dir, _ string) (v1.Image, v1.Hash, error) {
				return l.dockerLayout(ctx, image.ID, dir, p)
			}}, nil
		}
	}
	return &Found{image.ID, func(ctx context.Context, dir, cacheDir string) (v1.Image, v1.Hash, error) {
		file, err := l.saveDocker(ctx, image.ID, dir)
		if err != nil {
			return nil, v1.Hash{}, err
		}
		return uncompressed(ctx, file, cacheDir, image.ID)
	}}, nil
}

// dockerLayout is an image of containerd's store: an index or a manifest.
func (l *Local) dockerLayout(ctx context.Context, id v1.Hash, dir string, p v1.Platform) (v1.Image, v1.Hash, error) {
	file, err := l.saveDocker(ctx, id, dir)
	if err != nil {
		return nil, v1.Hash{}, err
	}
	img, err := archive.ReadOCI(ctx, file, id.String(), p)
	if err != nil {
		return nil, v1.Hash{}, err
	}
	digest, err := img.Digest()
	return img, digest, err
}

// uncompressed is an image of a docker-archive, which must be of that ID.
func uncompressed(ctx context.Context, file, cacheDir string, id v1.Hash) (v1.Image, v1.Hash, error) {
	img, err := archive.ReadDocker(ctx, file, "", cacheDir)
	if err != nil {
		return nil, v1.Hash{}, err
	}
	got, err := img.ConfigName()
	if err == nil && got != id {
		err = fmt.Errorf("the archive of image %s has %s instead", id, got)
	}
	return img, id, err
}

// saveDocker copies the image into an archive, as docker save does.
func (l *Local) saveDocker(ctx context.Context, id v1.Hash, dir string) (string, error) {
	body, err := l.getDocker(ctx, id.String(), "/images/"+id.String()+"/get")
	if err != nil {
		return "", fmt.Errorf("copying image %s from docker: %w", id, err)
	}
	defer body.Close()
	file, err := spool(dir, func(w io.Writer) error {
		_, err := io.Copy(w, body)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("copying image %s from docker: %w", id, err)
	}
	return file, nil
}

// askDocker reads an answer's JSON.
func (l *Local) askDocker(ctx context.Context, ref, path string, into any) error {
	body, err := l.getDocker(ctx, ref, path)
	if err != nil {
		return err
	}
	defer body.Close()
	if err := json.NewDecoder(io.LimitReader(body, maxAnswer)).Decode(into); err != nil {
		return fmt.Errorf("reading docker's answer to %s: %w", path, err)
	}
	return nil
}

func (l *Local) getDocker(ctx context.Context, ref, path string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, l.DockerURL+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := l.Docker.Do(req)
	if dial, ok := errors.AsType[*net.OpError](err); ok {
		return nil, fmt.Errorf("docker does not respond: %w; is it running, and does this user have access?", dial)
	}
	if err != nil {
		return nil, fmt.Errorf("asking docker: %w", errors.Unwrap(err)) // what it names beside is no real address
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, nil
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNotFound {
		return nil, &NotFoundError{docker, ref}
	}
	var said struct{ Message string }
	_ = json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&said)
	return nil, fmt.Errorf("docker answers %s: %q", resp.Status, said.Message)
}

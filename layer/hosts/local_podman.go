package hosts

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// FindPodman finds an image of containers-storage, where podman, buildah and
// CRI-O keep them, by asking podman. The storage keeps layers uncompressed: the
// image is pinned by its configuration, which is its ID.
func (l *Local) FindPodman(ctx context.Context, ref string) (*Found, error) {
	out := &limited{rest: maxAnswer}
	err := l.run(ctx, out, podman, "image", "inspect", "--format", "{{.Id}}", "--", ref)
	if failed, ok := errors.AsType[*CommandError](err); ok && strings.Contains(failed.Tail, "image not known") {
		return nil, &NotFoundError{podman, ref}
	}
	if err != nil {
		return nil, fmt.Errorf("asking podman: %w", err)
	}
	id, err := v1.NewHash("sha256:" + strings.TrimSpace(out.String()))
	if err != nil {
		return nil, fmt.Errorf("asking podman: the image's ID: %w", err)
	}
	return &Found{id, func(ctx context.Context, dir, cacheDir string) (v1.Image, v1.Hash, error) {
		file, err := spool(dir, func(w io.Writer) error {
			return l.run(ctx, w, podman, "image", "save", "--quiet", "--format", "docker-archive", "--", id.Hex)
		})
		if err != nil {
			return nil, id, fmt.Errorf("copying image %s from podman: %w", id, err)
		}
		return uncompressed(ctx, file, cacheDir, id)
	}}, nil
}

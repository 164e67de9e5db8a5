package layout

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/sparkwheel/sparkwheel/layer"
)

// refName is the annotation that holds a descriptor's tag (image-spec, annotations).
const refName = "org.opencontainers.image.ref.name"

// TagError says that a layout does not hold what was asked of it.
type TagError struct {
	Dir, Tag  string
	Platform  string   // set when the tag is there, for other platforms only
	Available []string // the tags, or the digests of images without one, or the platforms that are there
}

func (e *TagError) Error() string {
	have := strings.Join(e.Available, ", ")
	switch {
	case len(e.Available) == 0 && e.Platform == "":
		return fmt.Sprintf("%s has no image", e.Dir)
	case e.Platform != "":
		return fmt.Sprintf("%s has no image for %s; it has %s", e.Dir, e.Platform, cmp.Or(have, "nothing"))
	case e.Tag == "":
		return fmt.Sprintf("%s has %d images; choose from %s", e.Dir, len(e.Available), have)
	}
	return fmt.Sprintf("%s has no tag %s; it has %s", e.Dir, e.Tag, have)
}

// find is the entry of the index for tag, as Read has it.
func (l store) find(index *v1.IndexManifest, tag string) (v1.Descriptor, error) {
	want := cmp.Or(tag, "latest")
	for _, d := range index.Manifests {
		if d.Annotations[refName] == want || d.Digest.String() == want {
			return d, l.checkType(d)
		}
	}
	if tag != "" {
		return v1.Descriptor{}, &TagError{Dir: l.name, Tag: tag, Available: names(index.Manifests)}
	}
	images, err := l.images(index.Manifests)
	if err != nil {
		return v1.Descriptor{}, err
	}
	if len(images) > 0 && all(images, images[0].Digest) {
		return images[0], nil
	}
	return v1.Descriptor{}, &TagError{Dir: l.name, Available: names(images)}
}

// names are what the entries can be chosen by.
func names(descs []v1.Descriptor) []string {
	var out []string
	for _, d := range descs {
		out = append(out, cmp.Or(d.Annotations[refName], d.Digest.String()))
	}
	return out
}

// all is whether the entries are one image, under several tags.
func all(descs []v1.Descriptor, h v1.Hash) bool {
	return !slices.ContainsFunc(descs, func(d v1.Descriptor) bool { return d.Digest != h })
}

// images are the entries that are images or indexes of them. Signatures and
// other referrers stand beside an image in its layout, without a tag. Where
// nothing else is there, the first one's type is the error.
func (l store) images(descs []v1.Descriptor) ([]v1.Descriptor, error) {
	var found []v1.Descriptor
	var first error
	for _, d := range descs {
		err := l.checkType(d)
		if err == nil && len(descs) > 1 {
			err = l.other(d)
		}
		if err == nil {
			found = append(found, d)
		}
		first = cmp.Or(first, err)
	}
	if len(found) > 0 {
		return found, nil
	}
	return nil, first
}

func (l store) checkType(d v1.Descriptor) error {
	if err := layer.CheckManifestType(d); err != nil {
		return fmt.Errorf("%s: %w", l.name, err)
	}
	return nil
}

// other says what the manifest is of, where that is no image: a signature, a
// chart, what is told of another manifest. One that cannot be read is none of
// these: whoever chooses it learns why.
func (l store) other(d v1.Descriptor) error {
	if !d.MediaType.IsImage() {
		return nil
	}
	src, err := l.document(d)
	if err != nil {
		return nil //nolint:nilerr // another image is asked for
	}
	m, err := v1.ParseManifest(bytes.NewReader(src))
	if err != nil {
		return nil //nolint:nilerr // another image is asked for
	}
	if m.Subject != nil {
		return fmt.Errorf("%s: manifest %s is a referrer of %s, not an image", l.name, d.Digest, m.Subject.Digest)
	}
	if err := layer.CheckTypes(&v1.Manifest{Config: m.Config}); err != nil {
		return fmt.Errorf("%s: %w", l.name, err)
	}
	return nil
}

func (l store) choose(desc v1.Descriptor, p v1.Platform) (v1.Descriptor, error) {
	src, err := l.document(desc)
	if err != nil {
		return desc, err
	}
	index, err := v1.ParseIndexManifest(bytes.NewReader(src))
	if err != nil {
		return desc, fmt.Errorf("parsing index %s: %w", desc.Digest, err)
	}
	e := &TagError{Dir: l.name, Platform: p.String()}
	var fits []v1.Descriptor
	for _, d := range index.Manifests {
		if d.Platform == nil || !d.MediaType.IsImage() && !d.MediaType.IsIndex() {
			continue
		}
		e.Available = append(e.Available, d.Platform.String())
		if d.Platform.Satisfies(p) && d.Platform.OS != "unknown" {
			fits = append(fits, d)
		}
	}
	if len(fits) == 1 || len(fits) > 1 && p.Architecture != "" {
		return fits[0], nil
	}
	return desc, e
}

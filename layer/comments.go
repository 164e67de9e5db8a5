package layer

import v1 "github.com/google/go-containerregistry/pkg/v1"

// createdBy marks the history entries of layers that Append added.
const createdBy = "sparkwheel"

// Comments are the Options.Comment of an image's layers, one for each, empty
// for those that Append did not add. They come from the descriptors, or, where
// a docker-archive lost these, from the history.
func Comments(m *v1.Manifest, config *v1.ConfigFile) []string {
	comments := make([]string, len(m.Layers))
	i := 0
	for _, h := range config.History {
		if h.EmptyLayer || i >= len(comments) {
			continue
		}
		if h.CreatedBy == createdBy {
			comments[i] = h.Comment
		}
		i++
	}
	for i, d := range m.Layers {
		if c := d.Annotations[CommentAnnotation]; c != "" {
			comments[i] = c
		}
	}
	return comments
}

package host

import "github.com/sparkwheel/sparkwheel/layer"

// The labels and annotations of the images that sparkwheel makes: one namespace.
const namespace = "org.sparkwheel."

// LayerAnnotations are those of a layer's descriptor: the file names of the
// wheels or packages in it, separated by spaces, and the number of its entries.
func LayerAnnotations() layer.LayerAnnotations {
	return layer.LayerAnnotations{Comment: namespace + "contents", Files: namespace + "files"}
}

// CommitLabel is the label that holds the commit of a source.
func CommitLabel(source string) string { return namespace + source + ".commit" }

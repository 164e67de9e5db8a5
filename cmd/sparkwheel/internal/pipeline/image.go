// Package pipeline knows the order of the work and nothing else: it lends the
// rooms' functions to stages, and hands what one returns to the next.
package pipeline

import (
	"slices"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
)

// Build adds the stages that make what is requested; the last one's value is
// the result. A recipe with wheels for another platform than this host's is a
// *host.PlatformError.
func Build(g *stage.Graph, req Request) (*stage.Stage[*Result], error) {
	if err := req.Env.Buildable(req.Recipe); err != nil {
		return nil, err
	}
	if req.Output != "" {
		if err := checkOutput(req.Output); err != nil {
			return nil, err
		}
	}
	return newBuild(g, req).add()
}

// Plan says of each stage that Build would add what the store has of it, and
// why not all. It runs nothing, asks nobody and changes nothing.
func Plan(req Request) ([]stage.Look, error) {
	g := new(stage.Graph)
	if _, err := newBuild(g, req).add(); err != nil {
		return nil, err
	}
	return g.Look()
}

// add is the order of a build. Every stage says what the store keeps of it
// before it runs (see plan.go), and what it downloads (see fetch.go).
func (b *build) add(first ...stage.Need) (last *stage.Stage[*Result], err error) {
	b.addBase(first...)
	for _, x := range b.Recipe.Builds {
		if !b.wants(x) {
			continue
		}
		if err := b.addBuild(x); err != nil { // and the installation of the packages that it makes
			return nil, err
		}
	}
	if len(b.Recipe.Wheels) > 0 {
		b.addUV()
	}
	for _, w := range b.Recipe.Wheels {
		if b.Wheels != nil && !slices.Contains(b.Wheels, w.Name) {
			continue
		}
		if err := b.addWheel(w); err != nil { // after its source, and what its CMake files would fetch
			return nil, err
		}
	}
	if b.Image {
		b.addBaseFiles()
		b.addRuntime()
		b.addProvided()
		if err := b.addFiles(); err != nil {
			return nil, err
		}
	}
	judged := b.addRecord() // an image is judged before any of its layers is written
	last = judged
	if b.Image {
		layers := b.addLayers(judged)
		last = b.addImage(judged, layers)
	}
	if b.Output != "" {
		last = b.addOutput(last)
	}
	if b.Push != nil {
		last = b.addPush(judged, last)
	}
	return last, nil
}

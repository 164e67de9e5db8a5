// Package pipeline knows the order of the work and nothing else: it lends the
// rooms' functions to stages, and hands what one returns to the next.
package pipeline

import (
	"fmt"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/base"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/environments"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/fit"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/image"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/record"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/sources"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/wheels"
	"github.com/sparkwheel/sparkwheel/wheel/index"
	"github.com/sparkwheel/sparkwheel/wheel/truth"
)

// Request says what is to be made of a recipe and its lock.
type Request struct {
	Env    host.Env
	Recipe *recipe.Recipe
	Lock   *recipe.Lock
	Wheels []string         // names of the recipe's wheels and builds to make; nil means all
	Image  bool             // else only the wheels
	Strict image.Strictness // judges the image
	Output string           // directory for what was made; "" for none
	Push   *Push            // of the image; nil for none
}

// Result is what a build made.
type Result struct {
	Wheels  []*wheels.Wheel
	Record  *record.Record
	Commits map[string]string // marker file -> text
	// Constraints holds every distribution of the image, and what a shim stands
	// in for, at its version.
	Constraints string
	Replaced    []fit.Replaced // distributions of the base, of an image without a record
	Allowed     []truth.Fault  // faults accepted by name, of an image without a record
	Image       v1.Image       // nil when only wheels were asked for
	Layers      []image.Layer

	verdict fit.Verdict // on how the wheels lie upon the base
}

// Build adds the stages that make what is requested; the last one's value is
// the result. A recipe with wheels for another platform than this host's is a
// *host.PlatformError.
func Build(g *stage.Graph, req Request) (*stage.Stage[*Result], error) {
	if err := req.Env.Buildable(req.Recipe); err != nil {
		return nil, err
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

// build gathers the stages of one build. Those that a request does not need are
// nil.
type build struct {
	Request
	graph   *stage.Graph
	base    *stage.Stage[*base.Base] // with the archive's packages
	on      *stage.Stage[*base.Base] // with those that builds made, too
	filed   *stage.Stage[*base.Base] // with what it has
	uv      *stage.Stage[environments.Tool]
	trees   map[string]*stage.Stage[*sources.Tree] // by source
	builds  []namedBuild
	wheels  []namedWheel
	runtime *stage.Stage[[]index.Pin]
	files   []image.File
	fetched []stage.Need // stages that download all by themselves
	pins    []func() ([]index.Pin, error)
	last    []stage.Need // what the record needs
}

// namedWheel is the stage that makes a wheel.
type namedWheel struct {
	recipe.Wheel
	stage *stage.Stage[madeWheel]
}

// madeWheel is a wheel and what it was made from.
type madeWheel struct {
	plan  wheels.Plan
	wheel *wheels.Wheel
}

func newBuild(g *stage.Graph, req Request) *build {
	req.Env = req.Env.With(req.Recipe)
	return &build{Request: req, graph: g, trees: map[string]*stage.Stage[*sources.Tree]{}}
}

// platform is the one that the lock is for.
func (b *build) platform() (v1.Platform, error) {
	p, err := v1.ParsePlatform(b.Lock.Platform)
	if err != nil {
		return v1.Platform{}, fmt.Errorf("the lock's platform: %w", err)
	}
	return *p, nil
}

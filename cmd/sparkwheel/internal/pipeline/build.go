package pipeline

import (
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/base"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/builds"
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
	Debs    []builds.Deb // packages that builds made
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
	runtime *stage.Stage[[]index.Pin] // without what packages provide
	stand   *stage.Stage[[]image.Member]
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

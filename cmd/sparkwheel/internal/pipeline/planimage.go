package pipeline

import (
	"strings"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/base"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/environments"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/image"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
	"github.com/sparkwheel/sparkwheel/wheel/index"
)

// image looks at what an image has beside the wheels that are built: the
// runtime set and the recipe's files.
func (p *planning) image(b *base.Base) error {
	files, err := image.Files(p.recipe, p.lock)
	if err != nil {
		return err
	}
	if p.lock.Runtime != nil {
		if err := p.runtime(b, image.LayersAbove(len(p.recipe.Wheels), files)); err != nil {
			return err
		}
	}
	if len(files) == 0 {
		return nil
	}
	for _, f := range files {
		p.present("file "+f.Name, f.Pin.SHA256, []index.Pin{f.Pin})
	}
	if b == nil {
		p.steps = append(p.steps, Step{Name: "layer files", Reason: notUnpacked})
		return nil
	}
	p.look("layer files", store.Stage, image.FilesKey(files, image.BelowFiles(b.Shape, files)))
	return nil
}

const notUnpacked = "its base is not unpacked yet"

// present adds a step that is done when files are in the store.
func (p *planning) present(name, key string, pins []index.Pin) {
	step := Step{Name: name, Key: key, Hit: true}
	var lacking []string
	for _, pin := range pins {
		if !pin.Present(p.env.Blobs()) {
			lacking = append(lacking, pin.File)
			step.BytesToFetch += pin.Size
		}
	}
	if step.Hit = len(lacking) == 0; !step.Hit {
		step.Reason = "not in the store: " + host.Some(lacking)
	}
	p.steps = append(p.steps, step)
}

func (p *planning) runtime(b *base.Base, above int) error {
	if b == nil {
		p.steps = append(p.steps, Step{Name: runtimeName, Reason: notUnpacked})
		return nil
	}
	chosen, err := environments.Pins(b, *p.lock.Runtime)
	if err != nil {
		return err
	}
	p.present(runtimeName, strings.TrimPrefix(p.lock.Runtime.SHA256, "sha256:"), chosen)
	groups, err := image.Group(image.RuntimeMembers(p.env, p.recipe, chosen), image.Budget(p.recipe, above))
	if err != nil {
		return err
	}
	for _, members := range groups {
		p.look("layer "+image.NameOf(members), store.Stage, image.LayerKey(members, image.IndexScheme(b, p.recipe), b.Shape))
	}
	return nil
}

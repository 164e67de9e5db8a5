package pipeline

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
	"github.com/sparkwheel/sparkwheel/wheel/index"
	"github.com/sparkwheel/sparkwheel/wheel/install"
)

// image looks at what an image has beside the wheels that are built: the
// runtime set and the recipe's files.
func (p *planning) image(base *Base) error {
	files, err := imageFiles(p.recipe, p.lock)
	if err != nil {
		return err
	}
	if p.lock.Runtime != nil {
		if err := p.runtime(base, above(len(p.recipe.Wheels), files)); err != nil {
			return err
		}
	}
	if len(files) == 0 {
		return nil
	}
	for _, f := range files {
		p.present("file "+f.Name, f.pin.SHA256, []index.Pin{f.pin})
	}
	if base == nil {
		p.steps = append(p.steps, Step{Name: "layer files", Reason: notUnpacked})
		return nil
	}
	p.look("layer files", store.Stage, filesKey(files, belowFiles(base.Shape, files)))
	return nil
}

const notUnpacked = "its base is not unpacked yet"

// present adds a step that is done when files are in the store.
func (p *planning) present(name, key string, pins []index.Pin) {
	step := Step{Name: name, Key: key, Hit: true}
	var lacking []string
	for _, pin := range pins {
		if !pin.Present(p.env.blobs()) {
			lacking = append(lacking, pin.File)
			step.BytesToFetch += pin.Size
		}
	}
	if step.Hit = len(lacking) == 0; !step.Hit {
		step.Reason = "not in the store: " + some(lacking)
	}
	p.steps = append(p.steps, step)
}

// some is the beginning of a list, for a line.
func some(names []string) string {
	const most = 3
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

func (p *planning) runtime(base *Base, above int) error {
	if base == nil {
		p.steps = append(p.steps, Step{Name: runtimeName, Reason: notUnpacked})
		return nil
	}
	chosen, err := pins(base, *p.lock.Runtime)
	if err != nil {
		return err
	}
	p.present(runtimeName, strings.TrimPrefix(p.lock.Runtime.SHA256, "sha256:"), chosen)
	groups, err := grouped(runtimeMembers(p.env, p.recipe, chosen), runtimeBudget(p.recipe, above))
	if err != nil {
		return err
	}
	for _, members := range groups {
		p.look("layer "+nameOf(members), store.Stage, groupKey(members, indexScheme(base, p.recipe), base.Shape))
	}
	return nil
}

// nameOf is what a runtime layer is called: the recipe's group, else its wheels.
func nameOf(members []member) string {
	group := members[0].group
	if group != "" && !slices.ContainsFunc(members, func(m member) bool { return m.group != group }) {
		return group
	}
	var names []string
	for _, m := range members {
		names = append(names, distribution(path.Base(m.file)))
	}
	return some(names)
}

// schemeOf is how wheels that were built here are installed on a base.
func schemeOf(base *Base, r *recipe.Recipe) install.Scheme {
	s := base.Python.Scheme
	s.Over = over(r)
	return s
}

// indexScheme is how wheels of an index are installed: they came by name.
func indexScheme(base *Base, r *recipe.Recipe) install.Scheme {
	s := schemeOf(base, r)
	s.URL = ""
	return s
}

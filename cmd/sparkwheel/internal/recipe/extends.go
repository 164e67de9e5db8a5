package recipe

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/regular"
	"github.com/sparkwheel/sparkwheel/git"
)

// maxParents bounds how many recipes stand behind one.
const maxParents = 8

// part is one text of a recipe: itself, or one that it extends.
type part struct {
	name, path string // path is "" for an embedded one
	text       []byte
	shape      shape
	given      map[string]any // the keys that the text has
}

func (p *part) label() string {
	if p.path == "" {
		return "recipe " + p.name
	}
	return p.path
}

// dir is the directory of the part's file, "" for an embedded one.
func (p *part) dir() string {
	if p.path == "" {
		return ""
	}
	return filepath.Dir(p.path)
}

// find reads the recipe of that name: an embedded one, or a file below dir.
func find(name, dir string) (*part, error) {
	if !strings.ContainsAny(name, "/.") {
		if text, err := embedded.ReadFile("recipes/" + name + ".toml"); err == nil {
			return &part{name: name, text: text}, nil
		}
	}
	path := filepath.Join(dir, name)
	if dir == "" {
		path = name
	}
	text, err := regular.Read(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("recipe %s does not exist: neither a file nor one of %s", name, strings.Join(Names(), ", "))
	}
	if err != nil {
		return nil, fmt.Errorf("reading recipe: %w", err)
	}
	return &part{name: strings.TrimSuffix(filepath.Base(name), ".toml"), path: path, text: text}, nil
}

// chain is a recipe and those that it extends, one behind the other. Each is
// decoded by itself, so that a mistake is shown where it stands.
func chain(p *part) ([]*part, error) {
	parts := []*part{p}
	for {
		if err := p.decode(parts[0].dir()); err != nil {
			return nil, err
		}
		if p.shape.Extends == "" {
			return parts, nil
		}
		parent, err := p.parent()
		if err != nil {
			return nil, fmt.Errorf("%s: extends %q: %w", p.label(), p.shape.Extends, err)
		}
		if slices.ContainsFunc(parts, func(x *part) bool { return x.label() == parent.label() }) {
			return nil, fmt.Errorf("%s: extends %q: the recipes extend each other in a loop", p.label(), p.shape.Extends)
		}
		if len(parts) > maxParents {
			return nil, fmt.Errorf("%s: extends %q: more than %d recipes are behind %s", p.label(), p.shape.Extends, maxParents, parts[0].label())
		}
		parts, p = append(parts, parent), parent
	}
}

func (p *part) parent() (*part, error) {
	name := p.shape.Extends
	if filepath.IsAbs(name) {
		return nil, errors.New("the path is absolute; name an embedded recipe, or a file by its path from this one")
	}
	if p.path == "" && !slices.Contains(Names(), name) {
		return nil, fmt.Errorf("an embedded recipe extends one of %s", strings.Join(Names(), ", "))
	}
	return find(name, filepath.Clean(p.dir()))
}

// decode reads the part's text. Top is the directory of the recipe that was
// asked for, from which paths of local repositories begin.
func (p *part) decode(top string) error {
	if err := decode(p.label(), p.text, &p.shape); err != nil {
		return err
	}
	if err := readFetchTables(p.label(), p.text, p.shape.Wheel); err != nil {
		return err
	}
	if err := toml.Unmarshal(bytes.TrimPrefix(p.text, []byte("\xef\xbb\xbf")), &p.given); err != nil {
		return fmt.Errorf("%s: %w", p.label(), err)
	}
	var err error
	if p.shape.Lines, err = constraintLines(p.shape.Constraints); err != nil {
		return fmt.Errorf("%s: constraints: %w", p.label(), err)
	}
	for i := range p.shape.Source {
		s := &p.shape.Source[i]
		s.Patch, s.Patches = settlePatches(s.Patches, s.Patch, p.dir()), nil
		if git.IsPath(s.URL) && !filepath.IsAbs(s.URL) && p.path != "" && p.dir() != top {
			s.URL = p.seenFrom(top, s.URL)
		}
	}
	for i := range p.shape.Wheel {
		repositories := map[string]repositoryShape{}
		for name, r := range p.shape.Wheel[i].FetchTable.Repository {
			r.Patch, r.Patches = settlePatches(r.Patches, r.Patch, p.dir()), nil
			repositories[strings.ToLower(name)] = r
		}
		p.shape.Wheel[i].FetchTable.Repository = repositories
	}
	return nil
}

// seenFrom is a path from the part's directory as one from top.
func (p *part) seenFrom(top, path string) string {
	there := filepath.Join(p.dir(), path)
	rel, err := filepath.Rel(top, there)
	if err != nil {
		return there
	}
	if !strings.HasPrefix(rel, ".") {
		rel = "./" + rel
	}
	return rel
}

package sources

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/regular"
	"github.com/sparkwheel/sparkwheel/git/patch"
	"github.com/sparkwheel/sparkwheel/requirements/version"
	"github.com/sparkwheel/sparkwheel/wheel/index"
)

// What became of a patch.
const (
	PatchApplied   = "applied"
	PatchAlreadyIn = "already in" // the tree has all of it
	PatchNotNeeded = "not needed" // the source's version is none that it is for
)

// Patch is a patch of the recipe and what became of it.
type Patch struct {
	File   string `json:"file"` // or the URL
	SHA256 string `json:"sha256"`
	State  string `json:"state,omitempty"` // one of the above; "" is PatchApplied
}

func (p Patch) String() string {
	return fmt.Sprintf("patch %s: %s", p.File, cmp.Or(p.State, PatchApplied))
}

// PatchError says that a patch of the recipe does not fit the source's tree, or
// cannot be read.
type PatchError struct {
	Source string
	Err    error // a *patch.ConflictError or *patch.SyntaxError
}

func (e *PatchError) Error() string { return fmt.Sprintf("source %s: %v", e.Source, e.Err) }

func (e *PatchError) Unwrap() error { return e.Err }

// namedPatch is one diff. The text of one behind a URL is read when it is
// applied.
type namedPatch struct {
	file, sha256 string
	text         []byte
	pin          *index.Pin
}

// mostPatch bounds what is fetched as a patch, in bytes.
const mostPatch = regular.MaxText

// PatchPins are those of the patches that lie behind URLs, as the downloader
// takes them.
func PatchPins(patches []recipe.Patch) []index.Pin {
	var pins []index.Pin
	for _, p := range patches {
		if p.URL != "" {
			pins = append(pins, index.Pin{Name: path.Base(p.URL), File: path.Base(p.URL), URL: p.URL, SHA256: p.SHA256, Limit: mostPatch, Origin: "the recipe as a patch"})
		}
	}
	return pins
}

// readPatches splits the recipe's patches into the diffs that the source's
// version needs and what is said of those that it does not.
func (a At) readPatches() (needed []namedPatch, spared []Patch, err error) {
	for _, p := range a.Patches {
		var diffs []namedPatch
		if p.URL != "" {
			diffs = []namedPatch{{p.URL, p.SHA256, nil, &PatchPins([]recipe.Patch{p})[0]}}
		} else {
			texts, err := p.Read()
			if err != nil {
				return nil, nil, err
			}
			for _, t := range texts {
				sum := sha256.Sum256(t.Text)
				diffs = append(diffs, namedPatch{t.Name, hex.EncodeToString(sum[:]), t.Text, nil})
			}
		}
		wanted, err := a.wants(p)
		if err != nil {
			return nil, nil, err
		}
		for _, d := range diffs {
			if wanted {
				needed = append(needed, d)
			} else {
				spared = append(spared, Patch{d.file, d.sha256, PatchNotNeeded})
			}
		}
	}
	return needed, spared, nil
}

func (a At) wants(p recipe.Patch) (bool, error) {
	if p.Versions == nil {
		return true, nil
	}
	v, err := version.Parse(a.Version)
	if err != nil {
		return false, fmt.Errorf("patch %s is for versions %s, and that of %s is not known: %w", p.Name(), p.Versions, a.Name, err)
	}
	return p.For(v), nil
}

// fetchPatches brings the diffs that lie behind URLs.
func fetchPatches(ctx context.Context, env host.Env, patches []namedPatch) error {
	for i := range patches {
		one := &patches[i]
		if one.pin == nil {
			continue
		}
		file, err := host.Download(ctx, env, *one.pin, nil)
		if err != nil {
			return fmt.Errorf("fetching patch %s: %w", one.file, err)
		}
		if one.text, err = regular.Read(file); err != nil {
			return err
		}
	}
	return nil
}

// patch applies the patches in their order. One that the tree has already is
// passed over.
func (p *Prepared) patch(root *os.Root, patches []namedPatch) error {
	for _, one := range patches {
		parsed, err := patch.Parse(one.file, one.text)
		if err != nil {
			return err
		}
		done := Patch{File: one.file, SHA256: one.sha256}
		err = parsed.Apply(root)
		if _, ok := errors.AsType[*patch.AppliedError](err); ok {
			done.State, err = PatchAlreadyIn, nil
		}
		if err != nil {
			return err
		}
		p.Patches = append(p.Patches, done)
	}
	return nil
}

// pulled is whether a pull request changed something.
func (p Prepared) pulled() bool {
	for _, one := range p.Pulls {
		if one.State == "" {
			return true
		}
	}
	return false
}

// patched is whether a patch changed something.
func (p Prepared) patched() bool {
	for _, one := range p.Patches {
		if one.State == "" {
			return true
		}
	}
	return false
}

package image

import (
	"context"
	"path"
	"path/filepath"
	"strings"
	"testing/fstest"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/base"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/fit"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/layer"
	"github.com/sparkwheel/sparkwheel/layer/deb"
	"github.com/sparkwheel/sparkwheel/requirements"
	"github.com/sparkwheel/sparkwheel/wheel"
	"github.com/sparkwheel/sparkwheel/wheel/install"
	"github.com/sparkwheel/sparkwheel/wheel/truth"
)

// Inspected is what is known of wheels and a base before a layer is written.
type Inspected struct {
	Wheels  []truth.Distribution
	Verdict fit.Verdict
}

// Inspect opens every wheel once: what their METADATA says, whether two of them
// write one path with different bytes, and how they can lie upon the base, whose
// files have been read. What cannot be is a *install.ConflictError or a
// *fit.Error.
func Inspect(env host.Env, b *base.Base, s install.Scheme, members []Member, strict Strictness) (in Inspected, err error) {
	err = openMembers(env, members, func(all []*wheel.Reader) error {
		var wheels []fit.Wheel
		for _, r := range all {
			in.Wheels = append(in.Wheels, truth.Of(r.Metadata, filepath.Base(r.Path())))
			wheels = append(wheels, fit.Wheel{File: r.Filename.String(), Name: r.Filename.Distribution, Version: r.Filename.Version})
		}
		tree, err := install.Tree(s, all...)
		if err != nil {
			return err
		}
		in.Verdict, err = fit.Judge(onto(b, s), tree, wheels, fit.Options{NoReplace: strict.NoReplace, Shadow: strict.shadow()})
		return err
	})
	return in, err
}

// onto is the base as wheels of a scheme see it.
func onto(b *base.Base, s install.Scheme) fit.Base {
	return fit.Base{
		Files: b.Files, Scheme: s, Path: b.SearchPath(),
		Owners: func(paths []string) (map[string]string, error) { return deb.Owners(b.Files, paths) },
	}
}

// NoteVerdict tells the user in a line what wheels take the place of.
func NoteVerdict(v fit.Verdict, run *stage.Run) {
	if len(v.Replaced) > 0 {
		run.Note("replaces %s of the base", named(v.Replaced))
	}
	if len(v.Left) > 0 {
		run.Note("files of replaced distributions outside Python's directories are kept: %s", host.Some(v.Left))
	}
	if len(v.Shadowed) > 0 {
		run.Note("shadows %s of the base's Debian packages, which stay installed", named(v.Shadowed))
	}
}

func named(all []fit.Replaced) string {
	var names []string
	for _, r := range all {
		names = append(names, r.String())
	}
	return strings.Join(names, ", ")
}

// replaces begins the comment of the layer that hides older distributions.
const replaces = "replaces "

// Replaces reads the comment of a layer: the distributions of the base that it
// hides, nil for any other layer.
func Replaces(comment string) []string {
	if text, ok := strings.CutPrefix(comment, replaces); ok {
		return strings.Split(text, ", ")
	}
	return nil
}

// WriteWhiteouts is the small layer before those of the wheels that hides what
// they replace; nil where they replace nothing.
func WriteWhiteouts(ctx context.Context, env host.Env, b *base.Base, v fit.Verdict) ([]Layer, error) {
	if len(v.Whiteouts) == 0 {
		return nil, nil
	}
	blob, err := smallLayer(ctx, env, whiteouts(b, v))
	if err != nil {
		return nil, err
	}
	return []Layer{{Blob: blob}}, nil
}

func whiteouts(b *base.Base, v fit.Verdict) small {
	files := fstest.MapFS{}
	for _, name := range v.Whiteouts {
		dir, file := path.Split(name)
		files[dir+".wh."+file] = &fstest.MapFile{Mode: 0o644}
	}
	below := base.Within(b.Shape, v.Whiteouts...)
	return small{name: "whiteouts", comment: replaces + named(v.Replaced), base: b.Digest, below: below, files: files}
}

// shadow are the distributions that may stand beside one of a Debian package.
func (s Strictness) shadow() []requirements.Name {
	var names []requirements.Name
	for _, name := range append(s.Shadow, s.Allow...) {
		names = append(names, requirements.Normalize(name))
	}
	return names
}

// Beneath is the base's shape as the wheels' layers find it, without what the
// verdict hides.
func Beneath(b *base.Base, v fit.Verdict) layer.Shape {
	if len(v.Whiteouts) == 0 {
		return b.Shape
	}
	return base.Hidden(b.Shape, v.Hides)
}

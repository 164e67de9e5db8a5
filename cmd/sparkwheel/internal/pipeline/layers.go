package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/base"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/gate"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/image"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/imagename"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/wheels"
	"github.com/sparkwheel/sparkwheel/layer"
	"github.com/sparkwheel/sparkwheel/wheel"
	"github.com/sparkwheel/sparkwheel/wheel/install"
)

// LayersRequest asks for wheels on a base, without a recipe's build.
type LayersRequest struct {
	Wheels   []string // paths
	Base     imagename.Name
	Platform string       // "" decides by the wheels' tags, else by the host
	Python   string       // for a base whose interpreter is absent or of another platform
	Scheme   install.Kind // where wheels go; the zero one asks the base's Python
	Strict   image.Strictness
}

// Layers adds the stages that verify wheels and put each into a layer on a
// base. Nothing is written before all wheels are found sound.
func Layers(g *stage.Graph, env host.Env, req LayersRequest) (*stage.Stage[*Result], error) {
	if err := eachOnce(req.Wheels); err != nil {
		return nil, err
	}
	names, err := parseNames(req.Wheels)
	if err != nil {
		return nil, err
	}
	platform, err := requestedPlatform(env, req.Platform, names)
	if err != nil {
		return nil, err
	}
	b := stage.Add(g, "base", func(ctx context.Context, run *stage.Run) (*base.Base, error) {
		b, err := layersBase(ctx, env, req, platform, run)
		if err == nil && !req.Scheme.IsZero() {
			url := b.Python.Scheme.URL
			b.Python.Scheme = req.Scheme.Scheme(b.Python.Path, b.Python.Version)
			b.Python.Scheme.URL = url
		}
		return b, err
	})
	verified := stage.Add(g, "verify wheels", func(ctx context.Context, run *stage.Run) ([]image.Member, error) {
		var members []image.Member
		var faults []error
		for _, path := range req.Wheels {
			m, err := verifiedMember(ctx, env, path, run)
			members, faults = append(members, m), append(faults, err)
		}
		return members, errors.Join(faults...)
	})
	return stage.Add(g, "layers", func(ctx context.Context, run *stage.Run) (*Result, error) {
		return req.lay(ctx, env, b.Value(), verified.Value(), run)
	}, b, verified), nil
}

// lay puts members onto a base.
func (req LayersRequest) lay(ctx context.Context, env host.Env, b *base.Base, members []image.Member, run *stage.Run) (*Result, error) {
	if err := fits(req.Wheels, b); err != nil {
		return nil, err
	}
	in, err := image.Inspect(env, b, b.Python.Scheme, members, req.Strict)
	if err != nil {
		return nil, err
	}
	image.NoteVerdict(in.Verdict, run)
	for _, note := range gate.Mixed(in.Wheels, "") {
		run.Note("%s", note)
	}
	j, err := req.Strict.Judge(b, in, run)
	if err != nil {
		return nil, err
	}
	groups, err := image.Group(members, 0)
	if err != nil {
		return nil, err
	}
	res := &Result{Allowed: j.Allowed, Replaced: in.Verdict.Replaced}
	if res.Layers, err = image.WriteWhiteouts(ctx, env, b, in.Verdict); err != nil {
		return nil, err
	}
	layers, err := image.Write(ctx, env, image.Place{Scheme: b.Python.Scheme, Below: image.Beneath(b, in.Verdict)}, groups, run)
	if err != nil {
		return nil, err
	}
	res.Layers = append(res.Layers, layers...)
	img, err := layer.Append(b.Image, layer.Config{}, image.Blobs(res.Layers)...)
	if err != nil {
		return nil, fmt.Errorf("assembling the image: %w", err)
	}
	res.Image = img
	return res, nil
}

// verifiedMember is a wheel without faults. The store remembers that it has
// none, by its digest, and what is merely odd: of forty wheels one of which
// changed, that one is inflated.
func verifiedMember(ctx context.Context, env host.Env, path string, run *stage.Run) (image.Member, error) {
	const file = "warnings.json"
	sum, size, err := host.HashFile(path)
	if err != nil {
		return image.Member{}, err
	}
	m := image.Member{File: filepath.Base(path), Path: path, SHA256: sum, Size: size}
	key := store.NewHash("verified "+image.Distribution(m.File)).Field("rules", "1").Field("file", m.File).Input("sha256", sum).Key()
	dir, _, err := env.Store.Do(ctx, store.Stage, key, func(dir string) error {
		warnings, err := wheel.Verify(ctx, path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, file), []byte(host.JSON(warnings)), 0o644)
	})
	if err != nil {
		return m, err
	}
	text, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		return m, err
	}
	var warnings []wheel.Fault
	if err := json.Unmarshal(text, &warnings); err != nil {
		return m, fmt.Errorf("reading the warnings of %s: %w", m.File, err)
	}
	wheels.NoteOdd(run, path, warnings)
	return m, nil
}

// CallError says why what was asked for cannot be: it is the call that is wrong.
type CallError struct{ Message string }

func (e *CallError) Error() string { return e.Message }

func callErrorf(format string, args ...any) error { return &CallError{fmt.Sprintf(format, args...)} }

// eachOnce refuses what is not a file, and a wheel that is given twice.
func eachOnce(paths []string) error {
	var faults []error
	seen := map[string]string{}
	for _, path := range paths {
		first, again := seen[filepath.Base(path)]
		seen[filepath.Base(path)] = path
		info, err := os.Stat(path)
		switch {
		case again && first == path:
			faults = append(faults, callErrorf("%s is given twice; leave one out", path))
		case again:
			faults = append(faults, callErrorf("%s and %s are two files of one wheel; give one of them", first, path))
		case errors.Is(err, fs.ErrNotExist):
			faults = append(faults, callErrorf("%s: this wheel does not exist", path))
		case err == nil && !info.Mode().IsRegular():
			faults = append(faults, callErrorf("%s is %s, not a wheel", path, kindOf(info)))
		}
	}
	return errors.Join(faults...)
}

func parseNames(paths []string) ([]wheel.Filename, error) {
	var names []wheel.Filename
	var faults []error
	for _, path := range paths {
		n, err := wheel.ParseFilename(filepath.Base(path))
		names, faults = append(names, n), append(faults, err)
	}
	return names, errors.Join(faults...)
}

func kindOf(info fs.FileInfo) string {
	switch {
	case info.IsDir():
		return "a directory"
	case info.Mode()&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case info.Mode()&fs.ModeSocket != 0:
		return "a socket"
	}
	return "a device"
}

// requestedPlatform is the one asked for, else the one that all wheels with
// compiled code agree on, else the host's.
func requestedPlatform(env host.Env, asked string, names []wheel.Filename) (v1.Platform, error) {
	if asked != "" {
		return env.Platform(asked)
	}
	found := map[string]string{}
	for _, n := range names {
		for _, t := range n.Tags {
			for _, arch := range host.Architectures {
				if strings.HasSuffix(t.Platform, "_"+host.Machine(arch)) {
					found[arch] = n.String()
				}
			}
		}
	}
	switch len(found) {
	case 0:
		return env.Host, nil
	case 1:
		return v1.Platform{OS: "linux", Architecture: slices.Sorted(maps.Keys(found))[0]}, nil
	}
	return v1.Platform{}, callErrorf("%s is for arm64 and %s for amd64, but an image is for one platform; leave one out", found["arm64"], found["amd64"])
}

// layersBase opens the base, reads what it holds, and finds out where its Python
// installs to.
func layersBase(ctx context.Context, env host.Env, req LayersRequest, p v1.Platform, run *stage.Run) (*base.Base, error) {
	env = env.Noting(run)
	open := base.OpenImage
	if p.OS == env.Host.OS && p.Architecture == env.Host.Architecture {
		open = base.OpenRoot // its Python is asked
	}
	img, err := open(ctx, env, req.Base, "", p)
	if err != nil {
		return nil, fmt.Errorf("opening base %s: %w", req.Base, err)
	}
	digest, err := img.Digest()
	if err != nil {
		return nil, fmt.Errorf("opening base %s: %w", req.Base, err)
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("reading the base's configuration: %w", err)
	}
	if config.Architecture != "" && config.Architecture != p.Architecture {
		return nil, callErrorf("base %s is for %s, but the image is for %s; give another --base or --platform", req.Base, config.Architecture, p.Architecture)
	}
	b := &base.Base{Reference: req.Base, Digest: digest.String(), Platform: p, Image: img}
	if err := b.ReadFiles(ctx, env, run); err != nil {
		return nil, err
	}
	if req.Base.Transport == imagename.Scratch {
		b.Python = base.Absent(req.Python, p.Architecture)
		return b, nil
	}
	b.Python, err = b.FindPython(ctx, env, config.Config, req.Python, run)
	b.Shape = b.Files.Shape()
	return b, err
}

// fits refuses a wheel that the base's Python would not take.
func fits(paths []string, b *base.Base) error {
	var faults []error
	for _, path := range paths {
		n, err := wheel.ParseFilename(filepath.Base(path))
		if err != nil {
			return err
		}
		if err := n.Fits(b.Python.Tags()); err != nil {
			faults = append(faults, fmt.Errorf("base %s: %w", b.Reference, err))
		}
	}
	return errors.Join(faults...)
}

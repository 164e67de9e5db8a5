package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
	"github.com/sparkwheel/sparkwheel/layer"
	"github.com/sparkwheel/sparkwheel/wheel"
)

// LayersRequest asks for wheels on a base, without a recipe's build.
type LayersRequest struct {
	Wheels   []string // paths
	Base     string
	Platform string // "" decides by the wheels' tags, else by the host
	Python   string // for a base whose interpreter is absent or of another platform
	Strict   Strictness
}

// OpenImage opens an image on this host or in a registry.
func OpenImage(ctx context.Context, env Env, reference string, p v1.Platform) (v1.Image, error) {
	return openImage(ctx, env, reference, "", p)
}

// Layers adds the stages that verify wheels and put each into a layer on a
// base. Nothing is written before all wheels are found sound.
func Layers(g *stage.Graph, env Env, req LayersRequest) (*stage.Stage[*Result], error) {
	names, err := parseNames(req.Wheels)
	if err != nil {
		return nil, err
	}
	platform, err := requestedPlatform(env, req.Platform, names)
	if err != nil {
		return nil, err
	}
	base := stage.Add(g, "base", func(ctx context.Context, run *stage.Run) (*Base, error) {
		return layersBase(ctx, env, req, platform, run)
	})
	verified := stage.Add(g, "verify wheels", func(ctx context.Context, run *stage.Run) ([]member, error) {
		var members []member
		var faults []error
		for _, path := range req.Wheels {
			m, err := verifiedMember(ctx, env, path, run)
			members, faults = append(members, m), append(faults, err)
		}
		return members, errors.Join(faults...)
	})
	return stage.Add(g, "layers", func(ctx context.Context, run *stage.Run) (*Result, error) {
		return layWheels(ctx, env, req, base.Value(), verified.Value(), run)
	}, base, verified), nil
}

func layWheels(ctx context.Context, env Env, req LayersRequest, base *Base, members []member, run *stage.Run) (*Result, error) {
	if err := fits(req.Wheels, base); err != nil {
		return nil, err
	}
	wheels, err := inspect(env, base.Python.Scheme, members)
	if err != nil {
		return nil, err
	}
	j, err := req.Strict.judge(base, wheels, run)
	if err != nil {
		return nil, err
	}
	groups, err := grouped(members, 0)
	if err != nil {
		return nil, err
	}
	res := &Result{Allowed: j.Allowed}
	if res.Layers, err = writeGroups(ctx, env, base.Python.Scheme, base.Shape, groups, run); err != nil {
		return nil, err
	}
	img, err := layer.Append(base.Image, layer.Config{}, blobs(res.Layers)...)
	if err != nil {
		return nil, fmt.Errorf("assembling the image: %w", err)
	}
	res.Image = img
	return res, nil
}

// verifiedMember is a wheel without faults. The store remembers that it has
// none, by its digest, and what is merely odd: of forty wheels one of which
// changed, that one is inflated.
func verifiedMember(ctx context.Context, env Env, path string, run *stage.Run) (member, error) {
	const file = "warnings.json"
	sum, size, err := hashFile(path)
	if err != nil {
		return member{}, err
	}
	m := member{file: filepath.Base(path), path: path, sha256: sum, size: size}
	key := store.NewHash("verified "+distribution(m.file)).Field("rules", "1").Field("file", m.file).Field("sha256", sum).Key()
	dir, _, err := env.Store.Do(ctx, store.Stage, key, func(dir string) error {
		warnings, err := wheel.Verify(ctx, path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, file), []byte(jsonText(warnings)), 0o644)
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
		return m, fmt.Errorf("reading what is odd about %s: %w", m.file, err)
	}
	noteOdd(run, path, warnings)
	return m, nil
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

// requestedPlatform is the one asked for, else the one that all wheels with
// compiled code agree on, else the host's.
func requestedPlatform(env Env, asked string, names []wheel.Filename) (v1.Platform, error) {
	if asked != "" {
		return env.platform(asked)
	}
	found := map[string]string{}
	for _, n := range names {
		for _, t := range n.Tags {
			switch {
			case strings.HasSuffix(t.Platform, "_aarch64"):
				found["arm64"] = n.String()
			case strings.HasSuffix(t.Platform, "_x86_64"):
				found["amd64"] = n.String()
			}
		}
	}
	switch len(found) {
	case 0:
		return env.Host, nil
	case 1:
		return v1.Platform{OS: "linux", Architecture: slices.Sorted(maps.Keys(found))[0]}, nil
	}
	return v1.Platform{}, fmt.Errorf("%s is for arm64 and %s for amd64: an image is for one platform; leave one out", found["arm64"], found["amd64"])
}

// layersBase opens the base and finds out where its Python installs to. A base
// in a registry is downloaded for that only when neither --python nor its own
// configuration tells.
func layersBase(ctx context.Context, env Env, req LayersRequest, p v1.Platform, run *stage.Run) (*Base, error) {
	img, err := openImage(ctx, env, req.Base, "", p)
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
		return nil, fmt.Errorf("base %s is for %s and the image for %s; give another --base or --platform", req.Base, config.Architecture, p.Architecture)
	}
	b := &Base{Reference: req.Base, Digest: digest.String(), Platform: p, Image: img}
	if path, version := configuredPython(config.Config.Env, req.Python); version != "" && !isPath(req.Base) {
		b.Python = filePython(path, version, "", "")
		return b, nil
	}
	if _, err := b.unpackRoot(ctx, env); err != nil {
		return nil, err
	}
	b.Python, err = b.askPython(ctx, env, run)
	if err == nil {
		return b, nil
	}
	asking := err
	b.Python, err = readPython(b.Root, p.Architecture, req.Python)
	switch {
	case errors.Is(err, ErrNoPython) && req.Python != "":
		run.Note("%v: the image's Python will find the wheels only if it is %s and looks in %s", ErrNoPython, req.Python, b.Python.Scheme.Purelib)
	case err != nil:
		return nil, err
	default:
		run.Note("the base's interpreter does not run here (%v); its layout is taken from its files", asking)
	}
	return b, nil
}

// configuredPython reads what an image of CPython's own says in its
// environment (PYTHON_VERSION), where /usr/local holds the interpreter.
func configuredPython(env []string, asked string) (path, version string) {
	for _, kv := range env {
		if v, ok := strings.CutPrefix(kv, "PYTHON_VERSION="); ok {
			parts := strings.SplitN(v, ".", 3)
			if len(parts) >= 2 {
				return "/usr/local/bin/python3", parts[0] + "." + parts[1]
			}
		}
	}
	return "/usr/bin/python3", asked
}

// fits refuses a wheel that the base's Python would not take. A base whose
// interpreter was not asked is judged by its version alone.
func fits(paths []string, base *Base) error {
	var faults []error
	for _, path := range paths {
		n, err := wheel.ParseFilename(filepath.Base(path))
		if err != nil {
			return err
		}
		if base.Python.GLIBC == "" {
			continue
		}
		if err := n.Fits(base.Python.Tags()); err != nil {
			faults = append(faults, fmt.Errorf("base %s: %w", base.Reference, err))
		}
	}
	return errors.Join(faults...)
}

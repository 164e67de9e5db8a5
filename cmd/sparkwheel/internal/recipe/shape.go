package recipe

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
	"github.com/pelletier/go-toml/v2"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/imagename"
	"github.com/sparkwheel/sparkwheel/git"
)

// shape is the TOML of a recipe, so that the rooms' types carry no tags.
//
// What the tag merge means, where a recipe extends another, stands at over.
type shape struct {
	Extends string   `toml:"extends"`
	Without []string `toml:"without" merge:"append"`
	Target  struct {
		Platform string `toml:"platform"`
		Python   string `toml:"python"`
		CUDA     string `toml:"cuda"`
		GPUArch  string `toml:"gpu-arch"`
	} `toml:"target"`
	Base struct {
		Image imagename.Name `toml:"image"`
	} `toml:"base"`
	Tools struct {
		UV           string `toml:"uv"`
		ExcludeNewer string `toml:"exclude-newer"`
	} `toml:"tools"`
	GPU         *gpuShape  `toml:"gpu"`
	Missing     []string   `toml:"missing" merge:"append"`
	SameVersion [][]string `toml:"same-version" merge:"append"`
	Packages    struct {
		Image    []string `toml:"image" merge:"add"`
		Build    []string `toml:"build" merge:"add"`
		Snapshot string   `toml:"snapshot"`
		Source   []struct {
			Name   string `toml:"name"`
			Deb822 string `toml:"deb822"`
			Key    string `toml:"key"`
		} `toml:"source"`
	} `toml:"packages"`
	Source   []sourceShape   `toml:"source"`
	Build    []buildShape    `toml:"build"`
	Wheel    []wheelShape    `toml:"wheel"`
	File     []fileShape     `toml:"file"`
	Manifest []manifestShape `toml:"manifest"`
	Index    []indexShape    `toml:"index"`
	// Constraints is a list, or a table of names and versions; its lines are in
	// Lines after that.
	Constraints any      `toml:"constraints"`
	Lines       []string `toml:"-"`
	ABI         struct {
		Distributions []string `toml:"distributions"`
	} `toml:"abi"`
	Runtime struct {
		Requires  []string            `toml:"requires" merge:"add"`
		Files     map[string][]string `toml:"files"`
		Overrides []string            `toml:"overrides" merge:"add"`
		Excludes  []string            `toml:"excludes" merge:"add"`
		Complete  bool                `toml:"complete"`
		Provided  map[string]string   `toml:"provided"`
	} `toml:"runtime"`
	Image struct {
		WorkDir     string              `toml:"workdir"`
		Environment map[string]string   `toml:"environment"`
		Labels      map[string]string   `toml:"labels"`
		Entrypoint  []string            `toml:"entrypoint"`
		Cmd         []string            `toml:"cmd"`
		Groups      map[string][]string `toml:"groups"`
		Budget      int                 `toml:"layer-budget"`
		Over        []struct {
			Winner string `toml:"winner"`
			Loser  string `toml:"loser"`
		} `toml:"over"`
		Shadow []string `toml:"shadow" merge:"add"`
	} `toml:"image"`
}

type sourceShape struct {
	Name       string   `toml:"name"`
	URL        string   `toml:"url"`
	Ref        string   `toml:"ref"`
	Dirty      bool     `toml:"dirty"`
	Pointers   bool     `toml:"lfs-pointers"`
	Version    string   `toml:"version"`
	Date       string   `toml:"date"`
	Marker     string   `toml:"marker"`
	Submodules []string `toml:"submodules" merge:"append"`
	Submodule  map[string]struct {
		URL string `toml:"url"`
		Ref string `toml:"ref"`
	} `toml:"submodule"`
	Pulls   []int        `toml:"pulls"`
	Patches []string     `toml:"patches"`
	Patch   []patchShape `toml:"patch"`
	Rewrite struct {
		Drop      []string          `toml:"drop" merge:"add"`
		Pin       map[string]string `toml:"pin"`
		Files     []string          `toml:"files" merge:"append"`
		MustMatch bool              `toml:"must-match"`
	} `toml:"rewrite"`
	Files map[string]string `toml:"files"`
}

type wheelShape struct {
	wheelKeys
	FetchContent any        `toml:"fetchcontent"` // true or a table, which is
	FetchTable   fetchTable `toml:"-"`            // then also here
}

// wheelKeys are the keys of a wheel that are of one type.
type wheelKeys struct {
	Name         string            `toml:"name"`
	Source       string            `toml:"source"`
	Subdirectory string            `toml:"subdirectory"`
	Distribution string            `toml:"distribution"`
	Environment  map[string]string `toml:"environment"`
	Requires     []string          `toml:"requires" merge:"add"`
	Config       map[string]string `toml:"config-settings"`
	Inputs       map[string]string `toml:"inputs"`
	TrackedFiles string            `toml:"tracked-files"`
	Frontend     string            `toml:"frontend"`
	MemoryPerJob string            `toml:"memory-per-job"`
	GPU          *gpuShape         `toml:"gpu"`
	Root         string            `toml:"root"`
	CPUs         int               `toml:"cpus"`
	Repair       bool              `toml:"repair"`
	Repack       *bool             `toml:"repack"`
	Missing      string            `toml:"missing"`
	MustContain  []string          `toml:"must-contain" merge:"append"`
	Prebuilt     []string          `toml:"prebuilt" merge:"append"`
	LeaveOut     []string          `toml:"leave-out" merge:"append"`
	Shim         []struct {
		Name    string            `toml:"name"`
		Version string            `toml:"version"`
		Files   map[string]string `toml:"files"`
	} `toml:"shim"`
}

func (s *shape) recipe() *Recipe {
	r := &Recipe{
		Target: Target(s.Target),
		Base:   s.Base.Image,
		UV:     s.Tools.UV, ExcludeNewer: s.Tools.ExcludeNewer,
		Missing:     s.Missing,
		Constraints: s.Lines, ABI: s.ABI.Distributions,
		SameVersion: s.SameVersion,
		GPU:         s.GPU.gpu(""),
		Packages:    Packages{Image: s.Packages.Image, Build: s.Packages.Build, Snapshot: s.Packages.Snapshot},
		Runtime:     Runtime(s.Runtime),
		Image: Image{
			WorkDir: s.Image.WorkDir, Environment: s.Image.Environment, Labels: s.Image.Labels,
			Entrypoint: s.Image.Entrypoint, Cmd: s.Image.Cmd, Groups: s.Image.Groups, Budget: s.Image.Budget,
			Shadow: s.Image.Shadow,
		},
	}
	for _, x := range s.Packages.Source {
		r.Packages.Sources = append(r.Packages.Sources, PackageSource(x))
	}
	for _, x := range s.Image.Over {
		r.Image.Over = append(r.Image.Over, Over(x))
	}
	for _, x := range s.Source {
		r.Sources = append(r.Sources, x.source())
	}
	for _, x := range s.Build {
		b := x.build()
		r.Builds = append(r.Builds, b)
		if len(b.Packages) > 0 {
			if r.Packages.Alone == nil {
				r.Packages.Alone = map[string][]string{}
			}
			r.Packages.Alone[b.Name] = b.Packages
		}
	}
	for _, x := range s.Wheel {
		r.Wheels = append(r.Wheels, x.wheel())
	}
	for _, x := range s.File {
		r.Files = append(r.Files, File(x))
	}
	for _, x := range s.Manifest {
		r.Manifests = append(r.Manifests, x.manifest())
	}
	for _, x := range s.Index {
		r.Indexes = append(r.Indexes, Index(x))
	}
	return r
}

func (x *sourceShape) source() Source {
	local := git.IsPath(x.URL) || strings.HasPrefix(x.URL, "file:")
	if local && x.Ref == "" {
		x.Ref = "HEAD"
	}
	var submodule map[string]SubmoduleSource
	for at, s := range x.Submodule {
		if submodule == nil {
			submodule = map[string]SubmoduleSource{}
		}
		submodule[at] = SubmoduleSource(s)
	}
	return Source{
		Name: x.Name, Submodule: submodule, Git: git.Source{URL: x.URL, Ref: x.Ref}, Version: x.Version, Date: x.Date, Marker: x.Marker,
		Submodules: x.Submodules, Pulls: x.Pulls, Patches: patches(x.Patch), Rewrite: Rewrite(x.Rewrite), Files: x.Files,
		Local: local, Dirty: x.Dirty, Pointers: x.Pointers,
	}
}

func (x *wheelShape) wheel() Wheel {
	w := Wheel{
		Name: x.Name, Source: x.Source, Subdirectory: x.Subdirectory, Distribution: x.Distribution,
		Environment: x.Environment, Requires: x.Requires, Config: x.Config, Inputs: x.Inputs, Frontend: x.Frontend, TrackedFiles: x.TrackedFiles,
		Repair: x.Repair, Repack: x.Repack == nil || *x.Repack, LeaveOut: x.LeaveOut,
		MemoryPerJob: parseSize(x.MemoryPerJob), Root: x.Root, CPUs: x.CPUs, FetchContent: x.fetchContent(),
		GPU: x.GPU.gpu(x.Distribution), Missing: x.Missing, MustContain: x.MustContain, Prebuilt: x.Prebuilt,
	}
	if w.Root == "" {
		w.Root = "base"
	}
	if w.Frontend == "" {
		w.Frontend = "uv"
	}
	for _, s := range x.Shim {
		w.Shims = append(w.Shims, Shim(s))
	}
	return w
}

// decode reads TOML strictly. What the decoder says of a position is kept, and
// an unknown key is shown with the nearest one that would be understood. Where
// v has one of the tables alone, the keys of others are not unknown.
func decode(label string, text []byte, v any, table ...string) error {
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")) // as editors on Windows begin UTF-8
	for _, mark := range []string{"\xff\xfe", "\xfe\xff"} {
		if bytes.HasPrefix(text, []byte(mark)) {
			return fmt.Errorf("%s: it is UTF-16; save it as UTF-8", label)
		}
	}
	d := toml.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if missing, ok := errors.AsType[*toml.StrictMissingError](err); ok {
		var all []error
		for _, e := range missing.Errors {
			if len(table) > 0 && !slices.Contains(table, e.Key()[0]) {
				continue
			}
			line, col := e.Position()
			key := strings.Join(e.Key(), ".")
			hint := ""
			if near := Nearest(e.Key()[len(e.Key())-1], knownKeys(reflect.TypeOf(v).Elem())); near != "" {
				hint = fmt.Sprintf(" (nearest known key: %s)", near)
			}
			all = append(all, fmt.Errorf("%s:%d:%d: unknown key %s%s", label, line, col, key, hint))
		}
		return errors.Join(all...)
	}
	if e, ok := errors.AsType[*toml.DecodeError](err); ok {
		line, col := e.Position()
		return fmt.Errorf("%s:%d:%d: %s\n%s", label, line, col, strings.TrimPrefix(e.Error(), "toml: "), e.String())
	}
	if err != nil {
		return fmt.Errorf("%s: %w", label, err)
	}
	return nil
}

func knownKeys(t reflect.Type) []string {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		return knownKeys(t.Elem())
	case reflect.Struct:
		var keys []string
		for field := range t.Fields() {
			if tag := field.Tag.Get("toml"); tag != "" && tag != "-" {
				keys = append(keys, tag)
			}
			keys = append(keys, knownKeys(field.Type)...)
		}
		return keys
	default:
		return nil
	}
}

// Nearest is the candidate with the fewest edits from word, "" when none is
// close enough to be meant.
func Nearest(word string, candidates []string) string {
	best, bestDistance := "", len(word)/2+1
	for _, c := range candidates {
		if d := levenshtein.ComputeDistance(word, c); d < bestDistance {
			best, bestDistance = c, d
		}
	}
	return best
}

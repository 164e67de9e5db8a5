package record

import (
	"path/filepath"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/builds"
)

// Build is a build that makes no wheel by a backend, and what it made.
type Build struct {
	Name        string     `json:"name"`
	Source      string     `json:"source"`
	Environment []string   `json:"environment,omitempty"`
	Steps       [][]string `json:"steps"`
	// Packages are those that the build saw beside the ones of all builds.
	Packages []Pin `json:"packages,omitempty"`
	Debs     []Deb `json:"debs,omitempty"`
	// Installed says where the debs were installed: build, image.
	Installed []string    `json:"installed,omitempty"`
	Files     []BuildFile `json:"files,omitempty"`
	Wheels    []Pin       `json:"wheels,omitempty"`
}

// Deb is a package that was made.
type Deb struct {
	File         string `json:"file"`
	Name         string `json:"name"`
	Version      string `json:"version"`
	Architecture string `json:"architecture"`
	SHA256       string `json:"sha256"`
}

// BuildFile is a file that was made and lies in the image.
type BuildFile struct {
	Path   string `json:"path"`
	SHA256 string `json:"sha256"`
}

// NewBuild is a build that ran.
func NewBuild(p builds.Plan, m *builds.Made) Build {
	b := Build{Name: m.Name, Source: p.Source.Name, Environment: p.Environment(), Steps: p.Steps(), Installed: p.Recipe.Install}
	if len(p.Packages) > 0 {
		b.Packages = Pins(p.Packages)
	}
	for _, d := range m.Debs {
		b.Debs = append(b.Debs, Deb{filepath.Base(d.Path), d.Name, d.Version, d.Architecture, d.SHA256})
	}
	for _, f := range m.Files {
		b.Files = append(b.Files, BuildFile{f.Image, f.Pin.SHA256})
	}
	for _, w := range m.Wheels {
		b.Wheels = append(b.Wheels, Pin{w.File, w.SHA256})
	}
	return b
}

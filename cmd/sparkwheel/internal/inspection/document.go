// Package inspection says what inspect found, to a person and to scripts.
//
// Of makes the Document that --json prints; Write lays it out as a table.
package inspection

import (
	"strings"

	"github.com/sparkwheel/sparkwheel/wheel"
	"github.com/sparkwheel/sparkwheel/wheel/inspect"
	"github.com/sparkwheel/sparkwheel/wheel/inspect/cuda"
)

// Document is what is inside one file, tree or image.
type Document struct {
	File string `json:"file"`
	*Wheel
	// GPU is the compute capability that the verdicts are for, Driver the CUDA
	// version of its driver.
	GPU    string `json:"gpu"`
	Driver string `json:"driver,omitempty"`
	// Verdict is the worst that matters; empty where there is no GPU code.
	Verdict cuda.Verdict `json:"verdict"`
	ELF     []ELF        `json:"elf"`
	// Loose is the GPU code that lies alone in files, as one choice.
	Loose   *Loose    `json:"loose,omitempty"`
	Damaged []Damaged `json:"damaged,omitempty"`
}

// Wheel is what a Document has of a wheel alone.
type Wheel struct {
	Name           string   `json:"name"`
	Version        string   `json:"version"`
	Tags           []string `json:"tags"`
	RequiresPython string   `json:"requires_python"`
	RequiresDist   []string `json:"requires_dist"`
	Files          int      `json:"files"`
	Size           int64    `json:"size"`
}

// ELF is one binary.
type ELF struct {
	Path        string              `json:"path"`
	Kind        inspect.Kind        `json:"kind"`
	Size        int64               `json:"size"`
	Machine     string              `json:"machine"`
	Bits        int                 `json:"bits,omitempty"`
	Interpreter string              `json:"interpreter,omitempty"`
	SONAME      string              `json:"soname,omitempty"`
	Needed      []string            `json:"needed"`
	RPath       []string            `json:"rpath,omitempty"`
	RunPath     []string            `json:"runpath,omitempty"`
	Versions    map[string][]string `json:"versions,omitempty"`
	GLIBC       string              `json:"glibc,omitempty"`
	GLIBCXX     string              `json:"glibcxx,omitempty"`
	CXXABI      string              `json:"cxxabi,omitempty"`
	BuildID     string              `json:"build_id,omitempty"`
	Align       int64               `json:"align,omitempty"`
	Warnings    []string            `json:"warnings,omitempty"`
	CUDA        *CUDA               `json:"cuda,omitempty"`
}

// CUDA is the GPU code of one binary.
type CUDA struct {
	SASS []string `json:"sass"`
	PTX  []string `json:"ptx"`
	LTO  []string `json:"lto,omitempty"`
	// Verdict is that of the worst container; empty where none is loaded as it is.
	Verdict cuda.Verdict `json:"verdict"`
	Reason  string       `json:"reason,omitempty"`
	// Containers and Kernels count by verdict.
	Containers map[cuda.Verdict]int `json:"containers,omitempty"`
	Kernels    map[cuda.Verdict]int `json:"kernels,omitempty"`
	Fatbins    []Fatbin             `json:"fatbins"`
}

// Fatbin is one container.
type Fatbin struct {
	Section string       `json:"section,omitempty"`
	Offset  int64        `json:"offset"`
	Source  string       `json:"source,omitempty"`
	Verdict cuda.Verdict `json:"verdict"`
	Entries []Entry      `json:"entries"`
}

// Entry is one piece of GPU code.
type Entry struct {
	Arch        string `json:"arch"`
	PTX         string `json:"ptx,omitempty"`
	Compression string `json:"compression"`
	Debug       bool   `json:"debug,omitempty"`
	Size        int64  `json:"size"`
	Kernels     *int   `json:"kernels"` // null where they were not counted
}

// Loose is the GPU code that lies alone in files.
type Loose struct {
	Path    string               `json:"path"`
	Files   int                  `json:"files"`
	Verdict cuda.Verdict         `json:"verdict"`
	Reason  string               `json:"reason"`
	Cubins  map[cuda.Verdict]int `json:"cubins"`
}

// Damaged is a binary that cannot be read.
type Damaged struct {
	Path    string `json:"path"`
	Message string `json:"message"`
}

// Of is the Document of what was found in a file.
func Of(file string, found inspect.Found, t cuda.Target) *Document {
	d := &Document{File: file, GPU: t.GPU.String(), ELF: []ELF{}}
	if t.Driver != (cuda.Version{}) {
		d.Driver = t.Driver.String()
	}
	_, d.Verdict = inspect.JudgeAll(found.Files, t)
	for _, f := range found.Files {
		d.ELF = append(d.ELF, elfOf(f, t))
		if f.Kind == inspect.Cubin || f.Kind == inspect.Fatbin {
			if d.Loose == nil {
				d.Loose = &Loose{}
			}
			d.Loose.Files++
		}
	}
	if j, ok := inspect.JudgeLoose(found.Files, t); ok {
		d.Loose.Path, d.Loose.Verdict, d.Loose.Reason, d.Loose.Cubins = j.Path, j.Verdict, j.Reason, j.Containers
	}
	for _, e := range found.Damaged {
		d.Damaged = append(d.Damaged, Damaged{e.Path, e.Err.Error()})
	}
	return d
}

// AddWheel adds what the wheel itself says.
func (d *Document) AddWheel(r *wheel.Reader) {
	w := &Wheel{
		Name: string(r.Filename.Distribution), Version: r.Filename.Version.String(), RequiresPython: r.Metadata.RequiresPython.String(),
		Tags: []string{}, RequiresDist: []string{}, Size: r.Size,
	}
	for _, t := range r.Filename.Tags {
		w.Tags = append(w.Tags, t.String())
	}
	w.RequiresDist = append(w.RequiresDist, r.Metadata.Text...)
	for f := range r.Files() {
		if !f.IsDir() {
			w.Files++
		}
	}
	d.Wheel = w
}

func elfOf(f *inspect.File, t cuda.Target) ELF {
	e := ELF{
		Path: f.Path, Kind: f.Kind, Size: f.Size, Machine: f.Machine, Bits: f.Bits, Interpreter: f.Interpreter, SONAME: f.SONAME,
		Needed: append([]string{}, f.Needed...), RPath: f.RPath, RunPath: f.RunPath,
		GLIBC: f.Newest("GLIBC"), GLIBCXX: f.Newest("GLIBCXX"), CXXABI: f.Newest("CXXABI"),
		BuildID: f.BuildID, Align: f.Align, Warnings: f.Warnings(),
	}
	for _, v := range f.Versions {
		if e.Versions == nil {
			e.Versions = map[string][]string{}
		}
		e.Versions[v.Library] = append(e.Versions[v.Library], v.Versions...)
	}
	if len(f.Containers) == 0 {
		return e
	}
	j := inspect.Judge(f, t, nil)
	e.CUDA = &CUDA{
		SASS: cuda.Names(f.Containers, cuda.SASS), PTX: cuda.Names(f.Containers, cuda.PTX), LTO: cuda.Names(f.Containers, cuda.LTO),
		Verdict: j.Verdict, Reason: j.Reason, Containers: j.Containers, Kernels: j.Kernels,
	}
	for _, c := range f.Containers {
		e.CUDA.Fatbins = append(e.CUDA.Fatbins, fatbinOf(c, t))
	}
	return e
}

func fatbinOf(c cuda.Container, t cuda.Target) Fatbin {
	f := Fatbin{Section: c.Section, Offset: c.Offset, Source: c.Name, Verdict: t.JudgeContainer(c).Verdict, Entries: []Entry{}}
	for _, e := range c.Entries {
		n := Entry{Arch: e.Name(), Compression: e.Compression.String(), Debug: e.Debug, Size: e.Size}
		if e.Kind == cuda.PTX {
			n.PTX = e.PTX.String()
		}
		if e.Kernels >= 0 {
			n.Kernels = &e.Kernels
		}
		f.Entries = append(f.Entries, n)
	}
	return f
}

// architectures are the names of an ELF's GPU code in short: "90 90a 120, PTX 80".
func (c *CUDA) architectures() string {
	short := func(names []string, prefix string) string {
		return strings.ReplaceAll(strings.Join(names, " "), prefix, "")
	}
	s := short(c.SASS, "sm_")
	for _, more := range []struct {
		names        []string
		prefix, word string
	}{{c.PTX, "compute_", "PTX "}, {c.LTO, "lto_", "LTO "}} {
		if len(more.names) > 0 {
			if s != "" {
				s += ", "
			}
			s += more.word + short(more.names, more.prefix)
		}
	}
	return s
}

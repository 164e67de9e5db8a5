package wheel

import (
	"context"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/sparkwheel/sparkwheel/wheel/inspect"
)

// Inspect reads the wheel's binaries, on all processors; of what is none it
// reads the first bytes. An error means that reading stopped: by ctx, the disk,
// or content that is not what RECORD promises (*VerifyError).
func (r *Reader) Inspect(ctx context.Context, o inspect.Options) (inspect.Found, error) {
	var sources []inspect.Source
	for f := range r.Files() {
		if !f.IsDir() {
			sources = append(sources, inspect.Source{Path: f.Path(), Size: f.Size(), Open: func() (io.ReadCloser, error) { return f.Open(), nil }})
		}
	}
	return inspect.All(ctx, sources, o)
}

// checkBinaries holds the binaries against the machines that the tags name.
func (r *Reader) checkBinaries(found inspect.Found, f *faults) {
	for _, d := range found.Damaged {
		if strings.Contains(path.Base(d.Path), ".so") {
			f.addf("binary-damaged", d.Path, "it cannot be read: %v", d.Err)
		} else {
			r.warnings = append(r.warnings, Fault{"binary-damaged", d.Path, d.Err.Error()})
		}
	}
	machines, ok := r.machines()
	if !ok {
		return
	}
	choice := r.manySystems(found)
	for _, b := range found.Files {
		var fault Fault
		switch {
		case b.Machine == "" || b.Machine == "cuda" || b.Machine == "bpf" || slices.Contains(machines, b.Machine):
			continue
		case len(machines) == 0:
			fault = Fault{"binary-in-any", b.Path, "the tag says any platform, but this is for " + b.Machine}
		default:
			fault = Fault{"foreign-machine", b.Path, "it is for " + b.Machine + ", but the tag is for " + strings.Join(machines, " and ")}
		}
		// What nothing loads as it is, or one of several that the program chooses
		// from, is odd and does no harm.
		if !b.Loaded() || len(machines) == 0 && choice {
			r.warnings = append(r.warnings, fault)
		} else {
			f.add(fault.Code, fault.Path, fault.Message)
		}
	}
	slices.SortStableFunc(r.warnings, func(a, b Fault) int { return strings.Compare(a.Path, b.Path) })
}

// machines are those that the wheel's tags name, none for any; ok is false
// where a tag is for another system than Linux, or names none that is known.
func (r *Reader) machines() (list []string, ok bool) {
	for _, t := range r.Filename.Tags {
		switch m := machine(t.Platform); {
		case t.Platform == "any":
		case !isLinux(t.Platform) || m == "":
			return nil, false
		case !slices.Contains(list, m):
			list = append(list, m)
		}
	}
	return list, len(r.Filename.Tags) > 0
}

// manySystems says whether the wheel has binaries for several machines or
// systems side by side, of which a program takes one when it runs.
func (r *Reader) manySystems(found inspect.Found) bool {
	machine := ""
	for _, b := range found.Files {
		if b.Loaded() {
			if machine != "" && machine != b.Machine {
				return true
			}
			machine = b.Machine
		}
	}
	for i := range r.archive.Members {
		switch path.Ext(r.archive.Members[i].Name) {
		case ".dll", ".dylib", ".exe", ".pyd":
			return true
		}
	}
	return false
}

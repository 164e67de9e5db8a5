package fit

import (
	"archive/tar"
	"errors"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/sparkwheel/sparkwheel/layer/listing"
	"github.com/sparkwheel/sparkwheel/wheel/installed"
)

// replace takes away what the base has of the wheels' distributions.
func (j *judge) replace() error {
	all, err := installed.Read(j.base.Files, j.base.Path)
	if err != nil {
		return err
	}
	for _, d := range all {
		i := slices.IndexFunc(j.wheels, func(w Wheel) bool { return w.Name == d.Name })
		if i < 0 {
			continue
		}
		if err := j.supersede(d, j.wheels[i]); err != nil {
			return err
		}
	}
	j.empty()
	return nil
}

// supersede judges one distribution that the base has and a wheel brings.
func (j *judge) supersede(d installed.Distribution, w Wheel) error {
	r := Replaced{Name: d.Name, Wheel: w.File}
	if d.Metadata != nil || !d.Version.IsZero() {
		r.Version = d.Version.String()
	}
	p := Problem{Wheel: w.File, Path: d.Info, Distribution: r.String()}
	files, err := j.files(d)
	if err != nil && d.How == installed.Recorded {
		d.How = installed.Unrecorded
	}
	owners, err := j.owners(append([]string{d.Info}, files...))
	if err != nil {
		return err
	}
	if len(owners) > 0 || d.Installer == "debian" {
		for _, name := range slices.Sorted(maps.Keys(owners)) {
			p.Package = owners[name]
		}
		return j.debian(d, r, p)
	}
	switch {
	case d.How == installed.Editable:
		p.Code = CodeEditable
		j.problem(p, "the base has %s installed as editable (%s): its modules are in a checkout, which the wheel cannot replace", r, d.Info)
	case d.How == installed.Unrecorded:
		p.Code = CodeUnrecorded
		j.problem(p, "the base has %s without a RECORD (%s): the files to remove are unknown", r, d.Info)
	case j.opt.NoReplace:
		p.Code = CodeReplaces
		j.problem(p, "the base already has %s (%s), and replacing is not allowed", r, d.Info)
	default:
		j.remove(d, files)
		j.verdict.Replaced = append(j.verdict.Replaced, r)
	}
	return nil
}

// debian judges a distribution that dpkg installed. What it owns is not for
// others to remove; but where Python looks for the wheel first, both can stand.
func (j *judge) debian(d installed.Distribution, r Replaced, p Problem) error {
	s := j.base.Scheme
	elsewhere := d.Dir != s.Purelib && d.Dir != s.Platlib
	if elsewhere && slices.Contains(j.opt.Shadow, d.Name) {
		j.verdict.Shadowed = append(j.verdict.Shadowed, r)
		return nil
	}
	p.Code, p.Beside = CodeDebian, elsewhere
	owner := "a Debian package"
	if p.Package != "" {
		owner = "the Debian package " + p.Package
	}
	j.problem(p, "the base has %s of %s (%s), which only dpkg can remove", r, owner, d.Info)
	return nil
}

func (j *judge) owners(paths []string) (map[string]string, error) {
	if j.base.Owners == nil {
		return nil, nil
	}
	return j.base.Owners(paths)
}

// files are those of a distribution, each where the base really has it.
func (j *judge) files(d installed.Distribution) (real []string, err error) {
	if d.How != installed.Recorded {
		return nil, nil
	}
	files, _, err := d.Files(j.base.Files)
	if err != nil {
		return nil, err
	}
	last, lastReal := "", ""
	for _, name := range files {
		dir := path.Dir(name)
		if dir != last {
			last, lastReal = dir, ""
			if e, err := j.base.Files.Stat(dir); err == nil && isDir(e) {
				lastReal = e.Name
			} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, err
			}
		}
		if lastReal != "" {
			real = append(real, path.Join(lastReal, path.Base(name)))
		}
	}
	return real, nil
}

// remove hides the files of a distribution with what Python compiled of them,
// and all of its dist-info: two of one name would make the version a guess.
func (j *judge) remove(d installed.Distribution, files []string) {
	for _, name := range files {
		e, ok := j.base.Files.Lstat(name)
		if !ok || isDir(e) {
			continue
		}
		if !below(name, append(j.dirs(), j.base.Scheme.Prefix)...) {
			j.verdict.Left = append(j.verdict.Left, name)
			continue
		}
		j.gone[name] = true
		if stem, ok := strings.CutSuffix(path.Base(name), ".py"); ok {
			j.removeCompiled(path.Dir(name)+"/__pycache__", stem)
		}
	}
	j.removeAll(d.Info)
}

// removeCompiled hides a module's bytecode of any interpreter (PEP 3147). That
// of a module that stays is hidden too: where it was compiled from a file of the
// same time and size, Python would believe it.
func (j *judge) removeCompiled(dir, stem string) {
	for _, name := range j.base.Files.Names(dir) {
		if strings.HasPrefix(name, stem+".") && strings.HasSuffix(name, ".pyc") {
			j.gone[dir+"/"+name] = true
		}
	}
}

func (j *judge) removeAll(name string) {
	e, ok := j.base.Files.Lstat(name)
	if !ok {
		return
	}
	if !isDir(e) {
		j.gone[name] = true
		return
	}
	for _, child := range j.base.Files.Names(name) {
		j.removeAll(name + "/" + child)
	}
}

// empty adds the directories that have nothing left, as pip removes them; those
// of the scheme stay, and those that the wheels write into.
func (j *judge) empty() {
	for _, name := range slices.Collect(maps.Keys(j.gone)) {
		for dir := path.Dir(name); dir != "." && !j.above(dir) && j.emptied(dir); dir = path.Dir(dir) {
			j.gone[dir] = true
		}
	}
}

func (j *judge) emptied(dir string) bool {
	if j.gone[dir] {
		return true
	}
	if j.kept[dir] {
		return false
	}
	names := j.base.Files.Names(dir)
	if len(names) == 0 { // it was empty before, and is not this distribution's
		j.kept[dir] = true
		return false
	}
	for _, name := range names {
		child := dir + "/" + name
		if j.gone[child] {
			continue
		}
		if e, _ := j.base.Files.Lstat(child); !isDir(e) || !j.emptied(child) {
			j.kept[dir] = true
			return false
		}
	}
	if info, err := j.written(dir); err == nil && info.IsDir() {
		j.kept[dir] = true
		return false
	}
	return true
}

func isDir(e listing.Entry) bool { return e.Kind == tar.TypeDir }

package fit

import (
	"archive/tar"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/sparkwheel/sparkwheel/layer/listing"
	"github.com/sparkwheel/sparkwheel/wheel/install"
)

// lay goes down the wheels' tree as far as the base has something there too.
// at is a directory of both; where the base has a link to it, the base's own
// path is that of its target.
func (j *judge) lay(root string) error {
	type place struct{ wheels, base string }
	for todo := []place{{root, root}}; len(todo) > 0; {
		p := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		entries, err := fs.ReadDir(j.tree, p.wheels)
		if err != nil {
			return fmt.Errorf("reading the wheels' files: %w", err)
		}
		for _, e := range entries {
			name, at := path.Join(p.wheels, e.Name()), path.Join(p.base, e.Name())
			there, ok := j.there(at)
			if !ok {
				continue
			}
			if !e.IsDir() {
				j.layFile(name, there, e)
				continue
			}
			if to, ok := j.layDir(name, there); ok {
				todo = append(todo, place{name, to})
			}
		}
	}
	return nil
}

// layFile judges a file of a wheel where the base has something.
func (j *judge) layFile(name string, there listing.Entry, e fs.DirEntry) {
	p := Problem{Wheel: j.wheelOf(e), Path: name}
	switch {
	case isDir(there):
		p.Code = CodeDirectory
		j.problem(p, "its file /%s is a directory of the base", name)
	case there.Kind == tar.TypeSymlink:
		// A link to a file is replaced, as pip does.
		if to, err := j.base.Files.Stat(there.Name); err == nil && isDir(to) {
			p.Code = CodeLink
			j.problem(p, "its file /%s is a link of the base to the directory /%s", name, to.Name)
		}
	}
}

// layDir judges a directory of the wheels where the base has something. to is
// the directory of the base that it is, ok whether it is one.
func (j *judge) layDir(name string, there listing.Entry) (to string, ok bool) {
	p := Problem{Wheel: j.wheelBelow(name), Path: name}
	switch {
	case isDir(there):
		return there.Name, true
	case there.Kind != tar.TypeSymlink:
		p.Code = CodeFile
		j.problem(p, "its directory /%s is a file of the base", name)
		return "", false
	}
	p.Code = CodeLink
	target, err := j.base.Files.Stat(there.Name)
	switch {
	case errors.Is(err, listing.ErrLoop):
		j.problem(p, "its directory /%s is a link of the base that forms a loop (to %q)", name, there.Link)
	case err != nil:
		j.problem(p, "its directory /%s is a link of the base that leads nowhere (to %q)", name, there.Link)
	case !isDir(target):
		j.problem(p, "its directory /%s is a link of the base to the file /%s", name, target.Name)
	case !j.above(name) && !j.within(name, target.Name):
		j.problem(p, "its directory /%s is a link of the base to /%s: its files would be written there", name, target.Name)
	default:
		return target.Name, true
	}
	return "", false
}

// within says whether a link leads from one place in the scheme's data directory
// to another, as /usr/local/man does in Debian. Where Python looks for modules
// and the shell for programs, no link is followed.
func (j *judge) within(name, target string) bool {
	s := j.base.Scheme
	return below(name, s.Data) && below(target, s.Data) &&
		!below(name, s.Purelib, s.Platlib, s.Scripts, s.Headers) && !below(target+"/x", s.Purelib, s.Platlib, s.Scripts, s.Headers)
}

func (j *judge) wheelOf(e fs.DirEntry) string {
	if info, err := e.Info(); err == nil {
		if i, ok := install.WheelOf(info); ok && i < len(j.wheels) {
			return j.wheels[i].File
		}
	}
	return "the wheels"
}

// wheelBelow is a wheel that has something at a directory.
func (j *judge) wheelBelow(name string) string {
	if info, err := j.written(name); err == nil {
		return j.wheelOf(fs.FileInfoToDirEntry(info))
	}
	return "the wheels"
}

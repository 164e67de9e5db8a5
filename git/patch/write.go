package patch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"time"
)

// writer puts the results of a patch in place so that it can be undone.
type writer struct {
	root  *os.Root
	stamp time.Time
	steps []step
	dirs  []string // made for new files, parents first
}

// step is one file: fresh stands beside it until swap, saved after.
type step struct {
	name, fresh, saved string
	placed             bool
}

// prepare writes the new content beside its place.
func (w *writer) prepare(name string, s state) error {
	st := step{name: name}
	if s.mode == 0 {
		w.steps = append(w.steps, st)
		return nil
	}
	if err := w.makeDirs(path.Dir(name)); err != nil {
		return err
	}
	st.fresh = w.beside(name, "new")
	w.steps = append(w.steps, st)
	if s.mode == os.ModeSymlink {
		return w.root.Symlink(s.content, st.fresh)
	}
	f, err := w.root.OpenFile(st.fresh, os.O_WRONLY|os.O_CREATE|os.O_EXCL, s.mode)
	if err != nil {
		return err
	}
	_, err = f.WriteString(s.content)
	if err := errors.Join(err, f.Chmod(s.mode), f.Close()); err != nil {
		return err
	}
	return w.root.Chtimes(st.fresh, w.stamp, w.stamp)
}

// beside is a name in the same directory that nothing has.
func (w *writer) beside(name, kind string) string {
	for i := 0; ; i++ {
		try := path.Join(path.Dir(name), fmt.Sprintf(".%s.%d.%s", kind, i, path.Base(name)))
		if _, err := w.root.Lstat(try); errors.Is(err, fs.ErrNotExist) {
			return try
		}
	}
}

func (w *writer) makeDirs(dir string) error {
	if dir == "." {
		return nil
	}
	if _, err := w.root.Lstat(dir); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := w.makeDirs(path.Dir(dir)); err != nil {
		return err
	}
	if err := w.root.Mkdir(dir, 0o755); err != nil {
		return err
	}
	w.dirs = append(w.dirs, dir)
	return w.root.Chmod(dir, 0o755)
}

// swap moves the old file aside and the new one in.
func (w *writer) swap(s *step) error {
	if _, err := w.root.Lstat(s.name); err == nil {
		saved := w.beside(s.name, "old")
		if err := w.root.Rename(s.name, saved); err != nil {
			return err
		}
		s.saved = saved
	}
	if s.fresh == "" {
		return nil
	}
	if err := w.root.Rename(s.fresh, s.name); err != nil {
		return err
	}
	s.fresh, s.placed = "", true
	return nil
}

// undo puts everything back as it was.
func (w *writer) undo() error {
	var errs []error
	for _, s := range slices.Backward(w.steps) {
		if s.placed {
			errs = append(errs, w.root.Remove(s.name))
		}
		if s.saved != "" {
			errs = append(errs, w.root.Rename(s.saved, s.name))
		}
		if s.fresh != "" {
			if err := w.root.Remove(s.fresh); !errors.Is(err, fs.ErrNotExist) {
				errs = append(errs, err)
			}
		}
	}
	for _, d := range slices.Backward(w.dirs) {
		errs = append(errs, w.root.Remove(d))
	}
	return errors.Join(errs...)
}

// finish removes the old files and the directories that they leave empty, as
// git does, and gives what was touched its time.
func (w *writer) finish() error {
	touched := make(map[string]bool)
	for _, s := range w.steps {
		if s.saved != "" {
			if err := w.root.Remove(s.saved); err != nil {
				return err
			}
		}
		dir := path.Dir(s.name)
		for ; dir != "." && !s.placed; dir = path.Dir(dir) {
			if err := w.root.Remove(dir); err != nil {
				break // it holds something else
			}
			delete(touched, dir)
		}
		touched[dir] = true
	}
	for _, d := range w.dirs {
		touched[path.Dir(d)], touched[d] = true, true
	}
	for dir := range touched {
		if err := w.root.Chtimes(dir, w.stamp, w.stamp); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

package patch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"
)

// Apply changes the tree below root, which nothing else may change meanwhile.
// Context must match to the letter (fuzz 0), though a hunk may have moved.
// Either all of the patch is applied or, on an error, nothing is changed.
//
// The error is an *AppliedError when the tree has all of it already and a
// *ConflictError, with every place, when it does not fit. What is touched gets
// the mtime that root's own directory has, so that trees stay reproducible.
func (p *Patch) Apply(root *os.Root) error {
	info, err := root.Stat(".")
	if err != nil {
		return fmt.Errorf("applying %s: %w", p.Name, err)
	}
	results, conflicts, err := run(root, p.Files)
	if err != nil {
		return fmt.Errorf("applying %s: %w", p.Name, err)
	}
	if len(conflicts) > 0 {
		return p.conflict(root, conflicts)
	}
	if err := commit(root, results, info.ModTime()); err != nil {
		return fmt.Errorf("applying %s: %w", p.Name, err)
	}
	return nil
}

// conflict tells what is already applied from what does not fit.
func (p *Patch) conflict(root *os.Root, conflicts []Conflict) error {
	undo := make([]File, 0, len(p.Files))
	for _, f := range slices.Backward(p.Files) {
		undo = append(undo, f.reverse())
	}
	if _, against, err := run(root, undo); err == nil && len(against) == 0 {
		return &AppliedError{p.Name}
	}
	for i := range conflicts {
		c := &conflicts[i]
		f := p.Files[slices.IndexFunc(p.Files, func(f File) bool { return f.display() == c.File && f.line <= c.Line })].reverse()
		if c.Hunk > 0 {
			f.Hunks = f.Hunks[c.Hunk-1 : c.Hunk]
		}
		if _, against, err := run(root, []File{f}); err == nil && len(against) == 0 {
			c.Applied, c.Reason = true, "already applied"
		}
	}
	return &ConflictError{p.Name, conflicts}
}

func (f File) display() string {
	if f.New != "" {
		return f.New
	}
	return f.Old
}

// state is a file as the patch has it so far. Mode 0 is no file.
type state struct {
	mode    os.FileMode
	content string
}

// run works out what the files become, in memory, touching nothing.
func run(root *os.Root, files []File) (map[string]state, []Conflict, error) {
	results := make(map[string]state)
	var conflicts []Conflict
	for _, f := range files {
		old, err := load(root, results, f.Old)
		if err != nil {
			return nil, nil, err
		}
		target, err := load(root, results, f.New)
		if err != nil {
			return nil, nil, err
		}
		next, found := f.change(old, target)
		if len(found) > 0 {
			conflicts = append(conflicts, found...)
			continue
		}
		if f.Old != "" && f.Old != f.New && !f.Copy {
			results[f.Old] = state{}
		}
		if f.New != "" {
			results[f.New] = next
		}
	}
	return results, conflicts, nil
}

// load reads a file, or what an earlier part of the patch made of it.
func load(root *os.Root, results map[string]state, name string) (state, error) {
	if s, ok := results[name]; ok || name == "" {
		return s, nil
	}
	info, err := root.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return state{}, nil
	case err != nil:
		return state{}, err
	case info.Mode().Type() == fs.ModeSymlink:
		target, err := root.Readlink(name)
		return state{os.ModeSymlink, target}, err
	case !info.Mode().IsRegular():
		return state{}, fmt.Errorf("%s is not a file", name)
	}
	content, err := root.ReadFile(name)
	mode := os.FileMode(0o644)
	if info.Mode()&0o100 != 0 {
		mode = 0o755
	}
	return state{mode, string(content)}, err
}

// change applies one part to the old state.
func (f File) change(old, target state) (state, []Conflict) {
	whole := func(format string, args ...any) []Conflict {
		return []Conflict{{File: f.display(), Line: f.line, Reason: fmt.Sprintf(format, args...)}}
	}
	switch {
	case f.Old == "" && target.mode != 0:
		return state{}, whole("it already exists, but the patch adds it")
	case f.Old != "" && old.mode == 0:
		return state{}, whole("the file %s does not exist", f.Old)
	case f.Old != "" && f.New != "" && f.Old != f.New && target.mode != 0:
		return state{}, whole("it already exists, but %s is renamed to it", f.Old)
	case f.Old != "" && f.OldMode != 0 && old.mode != f.OldMode:
		return state{}, whole("its mode is %s, but the patch says %s", old.mode, f.OldMode)
	}
	next := state{mode: old.mode}
	if f.NewMode != 0 {
		next.mode = f.NewMode
	}
	if next.mode == 0 {
		next.mode = 0o644
	}
	content, conflicts := applyHunks(f, old.content)
	next.content = content
	if len(conflicts) == 0 && f.New == "" && content != "" {
		return state{}, whole("it has more content than the patch deletes")
	}
	return next, conflicts
}

// applyHunks returns the text with all hunks applied, or where they do not fit.
func applyHunks(f File, text string) (string, []Conflict) {
	lines := strings.SplitAfter(text, "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	var conflicts []Conflict
	var out strings.Builder
	done, shift := 0, 0
	for i, h := range f.Hunks {
		var before, after []string
		for _, l := range h.Lines {
			if l.Op != '+' {
				before = append(before, l.Text)
			}
			if l.Op != '-' {
				after = append(after, l.Text)
			}
		}
		at, ok := h.locate(lines, before, done, shift)
		if !ok {
			conflicts = append(conflicts, Conflict{
				File: f.display(), Hunk: i + 1, Line: h.line,
				Reason: fmt.Sprintf("these %d lines are not in the file", len(before)),
			})
			continue
		}
		shift = at - h.start()
		for _, l := range lines[done:at] {
			out.WriteString(l)
		}
		for _, l := range after {
			out.WriteString(l)
		}
		done = at + len(before)
	}
	for _, l := range lines[done:] {
		out.WriteString(l)
	}
	return out.String(), conflicts
}

// start is the place of the hunk's first line, counted from 0. A hunk of no
// old lines names the line it stands after.
func (h Hunk) start() int {
	if h.OldLines == 0 {
		return h.OldStart
	}
	return max(h.OldStart-1, 0)
}

// locate finds where the lines before stand, nearest to where they should.
// As in git, a hunk that begins the file, or has nothing after its last
// change, must lie at the file's start or end.
func (h Hunk) locate(lines, before []string, done, shift int) (int, bool) {
	atStart := h.OldStart <= 1
	atEnd := len(h.Lines) > 0 && h.Lines[len(h.Lines)-1].Op != ' '
	fits := func(at int) bool {
		return at >= done && at+len(before) <= len(lines) && (!atStart || at == 0) &&
			(!atEnd || at+len(before) == len(lines)) && slices.Equal(lines[at:at+len(before)], before)
	}
	want := h.start() + shift
	for d := 0; d <= len(lines); d++ {
		for _, at := range []int{want + d, want - d} {
			if at >= 0 && fits(at) {
				return at, true
			}
		}
	}
	return 0, false
}

// commit writes the results: everything beside its place first, then by
// renames, which are undone when one fails.
func commit(root *os.Root, results map[string]state, stamp time.Time) (err error) {
	w := &writer{root: root, stamp: stamp}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.undo())
		}
	}()
	names := make([]string, 0, len(results))
	for name := range results {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if err := w.prepare(name, results[name]); err != nil {
			return err
		}
	}
	for i := range w.steps {
		if err := w.swap(&w.steps[i]); err != nil {
			return err
		}
	}
	return w.finish()
}

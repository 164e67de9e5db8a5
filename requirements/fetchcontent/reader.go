package fetchcontent

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/sparkwheel/sparkwheel/requirements/cmake"
)

// Bounds on what a project may ask of the reader; real ones stay far below.
const (
	maxFile   = 4 << 20
	maxFiles  = 2000
	maxDepth  = 40
	maxSteps  = 50_000
	maxVolume = 16 << 20
)

// reader follows a project's files.
type reader struct {
	tree fs.FS
	opt  Options

	settled map[string]string
	env     *scope
	cache   *scope
	scope   *scope
	journal []write

	at        Place // the command that is read
	dir       string
	open      []string // files that are being read, outermost first
	files     map[string][]node
	calls     map[string]callee
	depth     int
	macro     *strings.Replacer
	when      []Condition
	returning []Condition // of sides that returned before what follows

	steps, volume int
	found         []Content
	local         map[string]string // content -> variable that names a local copy
	asked         map[string]bool   // variables that are looked for in the environment
	notes         []Note
}

// callee is a function or macro of the project.
type callee struct {
	file   string
	params []string
	body   []node
	macro  bool
}

func newReader(tree fs.FS, opt Options) *reader {
	r := &reader{
		tree: tree, opt: opt, settled: opt.Variables, dir: opt.Dir,
		env: newScope(nil), cache: newScope(nil), scope: newScope(nil),
		files: map[string][]node{}, calls: map[string]callee{}, local: map[string]string{}, asked: map[string]bool{},
	}
	for k, v := range opt.Environment {
		r.env.values[k] = known(v)
	}
	return r
}

func (r *reader) note(format string, args ...any) {
	n := Note{r.at, fmt.Sprintf(format, args...)}
	if !slices.Contains(r.notes, n) && len(r.notes) < maxFiles {
		r.notes = append(r.notes, n)
	}
}

// absolute is where a path of the tree stands in the build.
func (r *reader) absolute(rel string) string { return path.Join(r.opt.Root, rel) }

// inTree is the path in the tree of an absolute path in the build; a relative
// one is seen from the current directory.
func (r *reader) inTree(p string) (string, bool) {
	if !path.IsAbs(p) {
		p = path.Join(r.absolute(r.dir), p)
	}
	p = path.Clean(p)
	if p == r.opt.Root {
		return ".", true
	}
	rel, ok := strings.CutPrefix(p, r.opt.Root+"/")
	return rel, ok && fs.ValidPath(rel)
}

func dirOf(file string) string {
	if dir := path.Dir(file); dir != "." {
		return dir
	}
	return ""
}

// file runs the commands of a file of the tree.
func (r *reader) file(name string) (flow, error) {
	nodes, err := r.load(name)
	if err != nil {
		return failed, err
	}
	if slices.Contains(r.open, name) {
		r.note("%s includes itself and is skipped", name)
		return onward, nil
	}
	if len(r.open) >= maxDepth {
		return failed, fmt.Errorf("%s: files include one another too deeply", r.at)
	}
	at, macro, returning := r.at, r.macro, r.returning
	r.open, r.at, r.macro = append(r.open, name), Place{name, 1}, nil
	f, err := r.run(nodes)
	r.open, r.at, r.macro, r.returning = r.open[:len(r.open)-1], at, macro, returning
	if f == returned {
		f = onward
	}
	return f, err
}

// load parses a file once. A file that is too large, or that links lead out of
// the tree, has no commands, which is noted.
func (r *reader) load(name string) ([]node, error) {
	if nodes, ok := r.files[name]; ok {
		return nodes, nil
	}
	if len(r.files) >= maxFiles {
		return nil, fmt.Errorf("%s: the project has more than %d CMake files", r.at, maxFiles)
	}
	text, err := readFile(r.tree, name)
	if err != nil {
		r.note("%s is skipped: %v", name, err)
		r.files[name] = nil
		return nil, nil
	}
	commands, err := cmake.Parse(name, text)
	if err != nil {
		return nil, err
	}
	nodes, err := nest(name, commands)
	if err != nil {
		return nil, err
	}
	r.scan(commands)
	r.files[name] = nodes
	return nodes, nil
}

func readFile(tree fs.FS, name string) (_ []byte, err error) {
	f, err := tree.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is not a regular file")
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if len(text) > maxFile {
		err = fmt.Errorf("it is larger than %d MiB", maxFile>>20)
	}
	return text, err
}

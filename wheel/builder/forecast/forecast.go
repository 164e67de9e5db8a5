// Package forecast tells from the files of a configured build, before anything
// is compiled, what GPU code its libraries will hold, and whether that is good
// enough. What it says is a forecast: wheel/inspect reads what came of it.
package forecast

import (
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/sparkwheel/sparkwheel/wheel/inspect/cuda"
)

// Object is one compilation of GPU code.
type Object struct {
	File    string
	Entries []cuda.Entry // nil where the command leaves the choice to the machine
}

// Library is one linked product and the objects with GPU code in it.
type Library struct {
	File    string
	Objects []Object
}

// library matches what the linker makes for others to load.
var library = regexp.MustCompile(`\.(so(\.[0-9]+)*|pyd|dll)$`)

// Build is what a call of ninja is to make.
type Build struct {
	File string // the ninja file
	// Targets are what it is asked for; none means the file's defaults, or all.
	Targets []string
	Toolkit cuda.Version // the compiler's
}

// Libraries reads the build's ninja file, and those that it includes, and
// returns the libraries with GPU code that the build makes, sorted by their
// names. read gives a file's text by its name.
func (b Build) Libraries(read func(name string) ([]byte, error)) ([]Library, error) {
	n := &ninja{read: read}
	if err := n.file(b.File, newScope(nil), 0); err != nil {
		return nil, err
	}
	maker := map[string]*edge{}
	for i := range n.edges {
		for _, out := range n.edges[i].outs {
			maker[out] = &n.edges[i]
		}
	}
	targets := b.Targets
	if len(targets) == 0 {
		targets = n.defaults
	}
	return libraries(made(n.edges, maker, targets), maker, b.Toolkit), nil
}

// made are the edges that targets need; of no targets, all.
func made(edges []edge, maker map[string]*edge, targets []string) []*edge {
	var all []*edge
	if len(targets) == 0 {
		for i := range edges {
			all = append(all, &edges[i])
		}
		return all
	}
	seen := map[*edge]bool{}
	for todo := slices.Clone(targets); len(todo) > 0; {
		e := maker[path.Clean(todo[len(todo)-1])]
		todo = todo[:len(todo)-1]
		if e == nil || seen[e] {
			continue
		}
		seen[e] = true
		all = append(all, e)
		todo = append(append(todo, e.ins...), e.after...)
	}
	return all
}

// libraries follows objects through archives into libraries.
func libraries(edges []*edge, maker map[string]*edge, toolkit cuda.Version) []Library {
	var found []Library
	for _, e := range edges {
		if len(e.outs) == 0 || !library.MatchString(e.outs[0]) {
			continue
		}
		g := gatherer{maker: maker, toolkit: toolkit, seen: map[*edge]bool{}}
		g.gather(e.ins, 0)
		if len(g.objects) > 0 {
			found = append(found, Library{File: e.outs[0], Objects: g.objects})
		}
	}
	slices.SortFunc(found, func(a, b Library) int { return strings.Compare(a.File, b.File) })
	return found
}

// gatherer collects the objects that go into one library.
type gatherer struct {
	maker   map[string]*edge
	toolkit cuda.Version
	seen    map[*edge]bool
	objects []Object
}

func (g *gatherer) gather(files []string, depth int) {
	for _, f := range files {
		e := g.maker[f]
		if e == nil || g.seen[e] || library.MatchString(f) || depth > maxNinjaDepth {
			continue // another library's code stays in that one
		}
		g.seen[e] = true
		if args := NVCC(words(e.command)); args != nil && compiles(args) {
			g.objects = append(g.objects, Object{File: f, Entries: Entries(args, g.toolkit)})
			continue
		}
		g.gather(e.ins, depth+1)
	}
}

func compiles(args []string) bool {
	return slices.ContainsFunc(args, func(a string) bool {
		return a == "-c" || a == "-dc" || a == "-dw" || a == "--compile" || a == "--device-c" || a == "--device-w"
	})
}

// words cuts a shell command into its words, without expanding anything.
func words(command string) []string {
	var out []string
	var word strings.Builder
	var quote byte
	open := false
	for i := 0; i < len(command); i++ {
		c := command[i]
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case c == '\\' && quote != '\'' && i+1 < len(command):
			i++
			word.WriteByte(command[i])
			open = true
		case quote != 0:
			word.WriteByte(c)
		case c == '"' || c == '\'':
			quote, open = c, true
		case c == ' ' || c == '\t' || c == '\n':
			if open {
				out = append(out, word.String())
				word.Reset()
				open = false
			}
		default:
			word.WriteByte(c)
			open = true
		}
	}
	if open {
		out = append(out, word.String())
	}
	return out
}

// Gate is what a product's GPU code has to be good enough for.
type Gate struct {
	Target  cuda.Target
	Require cuda.Verdict // the least that passes; NoCode lets everything pass
	Except  []string     // globs of library names that are let through
}

// Judge is the verdict of an object: that of its best entry. Of one whose
// architectures are not known it is [cuda.NoCode].
func (g Gate) Judge(o Object) cuda.Verdict {
	return g.Target.JudgeContainer(cuda.Container{Entries: o.Entries}).Verdict
}

// worst is the library's verdict: its worst object's.
func (g Gate) worst(l Library) cuda.Verdict {
	worst := cuda.NoCode
	for _, o := range l.Objects {
		if v := g.Judge(o); v != cuda.NoCode && (worst == cuda.NoCode || v < worst) {
			worst = v
		}
	}
	return worst
}

func (g Gate) excepted(file string) bool {
	return slices.ContainsFunc(g.Except, func(glob string) bool {
		ok, err := path.Match(path.Base(glob), path.Base(file))
		return err == nil && ok
	})
}

// RefusedError names the libraries that would not pass.
type RefusedError struct {
	Gate      Gate
	Libraries []Library
}

func (e *RefusedError) Error() string {
	var parts []string
	for _, l := range e.Libraries {
		var bad []Object
		for _, o := range l.Objects {
			if v := e.Gate.Judge(o); v != cuda.NoCode && v < e.Gate.Require {
				bad = append(bad, o)
			}
		}
		o := bad[0]
		parts = append(parts, fmt.Sprintf("%s gets code of verdict %s for GPU %s, where %s is required: %d of %d objects, the first %s for %s",
			path.Base(l.File), e.Gate.worst(l), e.Gate.Target.GPU, e.Gate.Require, len(bad), len(l.Objects), o.File, strings.Join(names(o.Entries), ", ")))
	}
	return strings.Join(parts, "; ")
}

func names(entries []cuda.Entry) []string {
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

// Check returns a *[RefusedError] when a library without an exception would get
// worse code than the gate requires.
func (g Gate) Check(libraries []Library) error {
	var bad []Library
	for _, l := range libraries {
		if v := g.worst(l); v != cuda.NoCode && v < g.Require && !g.excepted(l.File) {
			bad = append(bad, l)
		}
	}
	if len(bad) == 0 {
		return nil
	}
	return &RefusedError{g, bad}
}

// Write writes a table: each library, its objects by verdict, and what passes
// by exception.
func (g Gate) Write(w io.Writer, libraries []Library) error {
	if _, err := fmt.Fprintf(w, "GPU code that will load on %s:\n", g.Target.GPU); err != nil {
		return err
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "library\tobjects\tnative\tfamily\tptx\tptx-too-new\tnone\tunknown\t")
	for _, l := range libraries {
		counts := map[cuda.Verdict]int{}
		for _, o := range l.Objects {
			counts[g.Judge(o)]++
		}
		note := ""
		if v := g.worst(l); v != cuda.NoCode && v < g.Require {
			note = "below " + g.Require.String()
			if g.excepted(l.File) {
				note += ", excepted"
			}
		}
		fmt.Fprintf(tw, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%s\n", path.Base(l.File), len(l.Objects), counts[cuda.Native], counts[cuda.Family],
			counts[cuda.ByPTX], counts[cuda.PTXTooNew], counts[cuda.None], counts[cuda.NoCode], note)
	}
	return tw.Flush()
}

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const module = "github.com/sparkwheel/sparkwheel"

// arrows are the rooms, and which other rooms each may import. A room is the
// first part of a package's path in the module.
var arrows = map[string][]string{
	"git":          nil,
	"requirements": nil,
	"wheel":        {"requirements"},
	"layer":        nil,
	"cmd":          {"git", "requirements", "wheel", "layer"},
}

// inside are the packages below cmd/sparkwheel/internal, and which of the others
// each may import: a package that is not in here is lent to cmd/sparkwheel alone.
var inside = map[string][]string{
	"netrc":        nil,
	"imagename":    nil,
	"regular":      nil,
	"recipe":       {"imagename", "regular"},
	"stage":        nil,
	"store":        nil,
	"remedy":       {"fit"},
	"doctor":       {"remedy", "store"},
	"progress":     {"stage", "store"},
	"host":         {"recipe", "stage", "store", "regular"},
	"base":         {"host", "recipe", "imagename", "stage", "store"},
	"packages":     {"base", "host", "recipe", "stage", "store"},
	"sources":      {"base", "host", "recipe", "stage", "store", "regular"},
	"environments": {"base", "sources", "host", "recipe", "remedy", "stage", "store", "regular"},
	"wheels":       {"base", "sources", "environments", "host", "recipe", "stage", "store"},
	"builds":       {"base", "sources", "wheels", "host", "recipe", "stage", "store"},
	"gate":         {"host", "recipe", "store"},
	"image":        {"base", "fit", "gate", "sources", "host", "recipe", "stage", "store"},
	"fit":          nil,
	"visible":      nil,
	"inspection":   {"regular", "visible"},
	"waste":        {"visible"},
	"record":       {"base", "fit", "gate", "sources", "builds", "wheels", "host", "recipe"},
	"pipeline":     {"record", "fit", "gate", "inspection", "builds", "wheels", "image", "packages", "environments", "sources", "base", "host", "recipe", "imagename", "stage", "store"},
}

// only says which packages alone may import something: a path's beginning, and
// rooms or packages below them.
var only = map[string][]string{
	"github.com/go-git/":                         {"git"},
	"github.com/google/go-containerregistry/":    {"layer", "cmd"},
	"github.com/opencontainers/":                 {"layer", "cmd"},
	"github.com/spf13/cobra":                     {"cmd"},
	"github.com/ulikunitz/xz":                    {"layer/deb"},
	"github.com/vbauerster/mpb":                  {"cmd/sparkwheel/internal/progress"},
	"github.com/pelletier/go-toml":               {"cmd", "requirements/pyproject", "wheel/index"},
	"log":                                        {"cmd", "layer/registry/registrytest"}, // a registry takes one, to be quiet
	"os/exec":                                    {"wheel/sandbox", "layer/hosts", "cmd/demo", "layer/registry/registrytest"},
	module + "/git/gittest":                      {"cmd/demo"},                    // and tests
	module + "/layer/registry/registrytest":      {"layer/registry/registrytest"}, // and tests
	module + "/cmd/sparkwheel/internal/pipeline": {"cmd/sparkwheel"},
	module + "/cmd/sparkwheel/internal/progress": {"cmd/sparkwheel"},
}

// forbidden are names that no room uses: they read the clock or the
// environment, or print. Rooms take values, a context, an io.Writer.
var forbidden = []string{
	"time.Now", "time.Since", "time.Until",
	"os.Getenv", "os.LookupEnv", "os.Environ", "os.ExpandEnv", "os.UserHomeDir", "os.UserCacheDir", "os.UserConfigDir", "os.TempDir",
	"os.Stdout", "os.Stderr", "fmt.Print", "fmt.Printf", "fmt.Println",
}

// pkg is a package of the module with its files, tests left out.
type pkg struct {
	path  string // below the module: "wheel/install"
	files []*ast.File
}

func (p pkg) room() string { return strings.SplitN(p.path, "/", 2)[0] }

func TestArchitecture(t *testing.T) {
	t.Parallel()
	fset := token.NewFileSet()
	pkgs, err := modulePackages(fset)
	if err != nil {
		t.Fatal(err)
	}
	if len(pkgs) < 15 {
		t.Fatalf("only %d packages were looked at", len(pkgs))
	}
	for _, v := range violations(fset, pkgs, ourWords(t)) {
		t.Error(v)
	}
}

// modulePackages parses the module's packages, files of other platforms too.
func modulePackages(fset *token.FileSet) ([]pkg, error) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Dir,GoFiles,IgnoredGoFiles", module+"/...").Output()
	if err != nil {
		return nil, fmt.Errorf("listing the module's packages: %w", err)
	}
	var pkgs []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var listed struct {
			ImportPath, Dir         string
			GoFiles, IgnoredGoFiles []string
		}
		if err := dec.Decode(&listed); errors.Is(err, io.EOF) {
			return pkgs, nil
		} else if err != nil {
			return nil, err
		}
		p := pkg{path: strings.TrimPrefix(listed.ImportPath, module+"/")}
		for _, name := range append(listed.GoFiles, listed.IgnoredGoFiles...) {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(fset, filepath.Join(listed.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				return nil, err
			}
			p.files = append(p.files, file)
		}
		pkgs = append(pkgs, p)
	}
}

// violations lists what breaks the house's rules, each with its place.
func violations(fset *token.FileSet, pkgs []pkg, ours words) []string {
	var found []string
	for _, p := range pkgs {
		found = append(found, importViolations(fset, p)...)
		if p.room() != "cmd" {
			found = append(found, nameViolations(fset, p)...)
			found = append(found, variableViolations(fset, p)...)
			found = append(found, wordViolations(fset, p, ours)...)
		}
	}
	return found
}

func importViolations(fset *token.FileSet, p pkg) (found []string) {
	for _, file := range p.files {
		for _, spec := range file.Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				path = spec.Path.Value
			}
			if why := whyNot(p, path); why != "" {
				found = append(found, fmt.Sprintf("%s: %s imports %s: %s", fset.Position(spec.Pos()), p.path, path, why))
			}
		}
	}
	return found
}

// whyNot is why a package may not import a path, "" when it may.
func whyNot(p pkg, path string) string {
	if below, ok := strings.CutPrefix(path, module+"/"); ok {
		to := pkg{path: below}.room()
		if to != p.room() && !slices.Contains(arrows[p.room()], to) {
			return fmt.Sprintf("there is no arrow from %s to %s", p.room(), to)
		}
	}
	from, to := insider(p.path), insider(strings.TrimPrefix(path, module+"/"))
	if from != "" && to != "" && from != to && !slices.Contains(inside[from], to) {
		return fmt.Sprintf("there is no arrow from %s to %s", from, to)
	}
	for _, prefix := range slices.Sorted(maps.Keys(only)) {
		if within(path, prefix) && !slices.ContainsFunc(only[prefix], func(may string) bool { return within(p.path, may) }) {
			return fmt.Sprintf("only %s may", strings.Join(only[prefix], ", "))
		}
	}
	return ""
}

// insider is the package of inside that a path is in, "" when it is elsewhere.
func insider(path string) string {
	below, ok := strings.CutPrefix(path, "cmd/sparkwheel/internal/")
	if !ok {
		return ""
	}
	return strings.SplitN(below, "/", 2)[0]
}

// within is whether a path is another or stands below it.
func within(path, other string) bool {
	other = strings.TrimSuffix(other, "/")
	return path == other || strings.HasPrefix(path, other+"/")
}

func nameViolations(fset *token.FileSet, p pkg) (found []string) {
	for _, file := range p.files {
		ast.Inspect(file, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if id, ok := sel.X.(*ast.Ident); ok && slices.Contains(forbidden, id.Name+"."+sel.Sel.Name) {
				found = append(found, fmt.Sprintf("%s: %s uses %s.%s: cmd alone reads clock and environment and prints", fset.Position(sel.Pos()), p.path, id.Name, sel.Sel.Name))
			}
			return true
		})
	}
	return found
}

// variableViolations finds writes to package variables. Imports are not
// resolved; the package's own names are, which is all that it takes.
func variableViolations(fset *token.FileSet, p pkg) (found []string) {
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}}
	conf := types.Config{Importer: nothing{}, Error: func(error) {}, DisableUnusedImportCheck: true}
	checked, _ := conf.Check(p.path, fset, p.files, info)
	report := func(e ast.Expr) {
		id := root(e)
		if id == nil {
			return
		}
		if v, ok := info.Uses[id].(*types.Var); ok && v.Parent() == checked.Scope() {
			found = append(found, fmt.Sprintf("%s: %s changes the package variable %s", fset.Position(id.Pos()), p.path, id.Name))
		}
	}
	for _, file := range p.files {
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.AssignStmt:
				for _, e := range n.Lhs {
					report(e)
				}
			case *ast.IncDecStmt:
				report(n.X)
			}
			return true
		})
	}
	return found
}

// nothing is an importer that finds no package.
type nothing struct{}

func (nothing) Import(string) (*types.Package, error) { return nil, errors.New("not looked at") }

// root is the variable that an assignment to e changes.
func root(e ast.Expr) *ast.Ident {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			return x
		case *ast.IndexExpr:
			e = x.X
		case *ast.SelectorExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		default:
			return nil
		}
	}
}

// TestArchitectureFindsViolations gives the rules what they must not let through.
func TestArchitectureFindsViolations(t *testing.T) {
	t.Parallel()
	ours := ourWords(t)
	for _, test := range []struct {
		path, source string
		want         []string // parts of what is said, one a violation
	}{
		{"wheel", `import _ "github.com/sparkwheel/sparkwheel/requirements/marker"`, nil},
		{"wheel", `import _ "github.com/sparkwheel/sparkwheel/layer"`, []string{"no arrow from wheel to layer"}},
		{"layer/hosts", `import _ "github.com/sparkwheel/sparkwheel/wheel"`, []string{"no arrow from layer to wheel"}},
		{"requirements", `import _ "github.com/sparkwheel/sparkwheel/git"`, []string{"no arrow from requirements to git"}},
		{"git", `import _ "github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"`, []string{"no arrow from git to cmd"}},
		{"util", `import _ "github.com/sparkwheel/sparkwheel/git"`, []string{"no arrow from util to git"}},
		{"cmd/sparkwheel", `import _ "github.com/go-git/go-git/v5"`, []string{"only git may"}},
		{"wheel/index", `import _ "github.com/google/go-containerregistry/pkg/name"`, []string{"only layer, cmd may"}},
		{"cmd/sparkwheel/internal/store", `import _ "os/exec"`, []string{"only wheel/sandbox"}},
		{"cmd/sparkwheel/internal/record", `import _ "github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/wheels"`, nil},
		{"cmd/sparkwheel/internal/wheels", `import _ "github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/record"`, []string{"no arrow from wheels to record"}},
		{"cmd/sparkwheel/internal/base", `import _ "github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/packages"`, []string{"no arrow from base to packages"}},
		{"cmd/sparkwheel/internal/store/x", `import _ "github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"`, []string{"no arrow from store to host"}},
		{"cmd/sparkwheel/internal/new", `import _ "github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/pipeline"`, []string{"no arrow from new to pipeline"}},
		{"cmd/sparkwheel", `import _ "github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/pipeline"`, nil},
		{"wheel/sandboxes", `import _ "os/exec"`, []string{"only wheel/sandbox"}},
		{"wheel/sandbox", `import _ "os/exec"`, nil},
		{"layer", `import _ "log/slog"`, []string{"only cmd, layer/registry/registrytest may"}},
		{"git", `import _ "github.com/spf13/cobra"`, []string{"only cmd may"}},
		{"cmd/sparkwheel", `import _ "github.com/vbauerster/mpb/v8/decor"`, []string{"internal/progress may"}},
		{"wheel", `import "time"; var _ = time.Now`, []string{"uses time.Now"}},
		{"cmd/demo", `import "time"; var _ = time.Now`, nil},
		{"git", `import "os"; func f() string { return os.Getenv("HOME") }`, []string{"uses os.Getenv"}},
		{"layer", `import "fmt"; func f() { fmt.Println("x"); fmt.Fprintln(nil, "x") }`, []string{"uses fmt.Println"}},
		{"wheel", `import "fmt"; var x int; func f() { x++; fmt.Sprint(); y := x; y = 2; _ = y }`, []string{"changes the package variable x"}},
		{"wheel", `var m = map[int]int{}; func f() { m[1] = 2 }`, []string{"changes the package variable m"}},
		{"wheel", `var s struct{ a [1]*int }; func f() { *s.a[0] = 2 }`, []string{"changes the package variable s"}},
		{"git", `const x = "run \x60sparkwheel lock\x60"`, []string{"names sparkwheel lock"}},
		{"layer", `const x = "give --ca-cert FILE"`, []string{"names --ca-cert"}},
		{"layer", `const x = "build with -j N"`, []string{"names -j"}},
		{"wheel", `const x = "a [[wheel]] table"`, []string{"names [[wheel]]"}},
		{"wheel", `const x = "set must-match = false"`, []string{"names must-match"}},
		{"wheel", `const x = "name it in the recipe"`, []string{"names recipe"}},
		{"wheel", `var x = []string{"--offline", "--no-index", "must-match"}`, nil},
		{"wheel", `const x = "give the container --privileged; this sparkwheel reads 1"`, nil},
		{"cmd/sparkwheel", `const x = "give --ca-cert FILE"`, nil},
		{"wheel", `var x int; func f(x int) { x = 1; for x := range 3 { x = 2 } }`, nil},
	} {
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, "x.go", "package p\n"+test.source, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		got := violations(fset, []pkg{{test.path, []*ast.File{file}}}, ours)
		match := func(got, want string) bool { return strings.Contains(got, want) }
		if !slices.EqualFunc(got, test.want, match) {
			t.Errorf("%s with %s (-want +got):\n%s", test.path, test.source, cmp.Diff(test.want, got))
		}
	}
}

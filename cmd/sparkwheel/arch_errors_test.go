package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/remedy"
)

// plain are the exported errors of the rooms whose own words are all that can be
// said, and why.
var plain = map[string]string{
	"*git.RefError":              "lists the nearest refs",
	"*git.AmbiguousError":        "lists the refs to ask for",
	"*git.LimitError":            "names the limit and the place",
	"*hosts.ProgramError":        "has the program's own words",
	"*git.StatusError":           "the server's own words; the transport has waited already",
	"*git.UnreachableError":      "wraps the network's own words",
	"git.ErrNoTag":               "how a version is made without a tag is the caller's choice",
	"gittest.ErrNoGit":           "of tests",
	"*pack.DamagedError":         "its caller fetches again",
	"pack.ErrNotFound":           "its caller fetches",
	"*patch.SyntaxError":         "shows the line",
	"*requirements.SyntaxError":  "shows the place",
	"*cmake.SyntaxError":         "shows the place",
	"*version.ParseError":        "shows the text",
	"*marker.SyntaxError":        "shows the place",
	"*marker.EvalError":          "shows what cannot be compared",
	"*sandbox.ExitError":         "its output says it; FailedError explains it",
	"*builder.OutputError":       "says the glob and what it matched",
	"builder.ErrSound":           "nothing has to be done",
	"*forecast.RefusedError":     "a launcher prints it into the build's log, where explain finds it",
	"*wheel.TagError":            "says which tag is missing",
	"*inspect.FileError":         "of a binary that only its maker can mend",
	"*index.NoFileError":         "lists the files that there are",
	"*index.TooLargeError":       "says the limit",
	"*index.AnswerError":         "says what is wrong with the answer",
	"listing.ErrLoop":            "of damaged content",
	"listing.ErrTooLarge":        "says the limit",
	"listing.ErrNotKept":         "its caller downloads the layer",
	"*hosts.NotFoundError":       "names the command that lists the images",
	"*hosts.CommandError":        "has the host's own words",
	"*hosts.ConnectError":        "names the ssh command to try",
	"*hosts.NoRuntimeError":      "names the ssh command to try",
	"*hosts.SpaceError":          "says how much room to make",
	"*hosts.VerifyError":         "a host that changes what it was given",
	"*inflate.CorruptError":      "of damaged content",
	"inflate.ErrTrailing":        "of damaged content",
	"*layer.OutputError":         "says what is in the way",
	"layer.ErrNoBlob":            "its caller writes the layer",
	"*layer.TypeError":           "says which media types are read",
	"*registry.HelperError":      "names the helper, whose words say the rest",
	"*registry.BlobError":        "the push names what is in the blob",
	"*registry.ResentError":      "wraps the registry's own reason",
	"*registry.DigestError":      "of damaged content",
	"*registry.SizeError":        "of damaged content",
	"*registry.PlatformError":    "lists the platforms that there are",
	"*registry.LocationError":    "a registry at fault",
	"*registry.GiveUpError":      "wraps the last error",
	"*registry.CredentialsError": "names the host; the helper's words say the rest",
}

// TestArchitectureErrors looks at every exported error of the rooms: what can
// be done about it is in the table, or there is a reason that nothing is.
func TestArchitectureErrors(t *testing.T) {
	t.Parallel()
	decided := map[string]bool{}
	for _, name := range remedy.Known() {
		if plain[name] != "" || decided[name] {
			t.Errorf("%s has two decisions", name)
		}
		decided[name] = true
	}
	found := exportedErrors(t, "../..")
	if len(found) < 40 {
		t.Fatalf("only %d exported errors were found", len(found))
	}
	for _, name := range found {
		if !decided[name] && plain[name] == "" {
			t.Errorf("%s: give it a remedy in cmd/sparkwheel/internal/remedy, or a reason in plain here", name)
		}
	}
	for name := range plain {
		if !slices.Contains(found, name) {
			t.Errorf("%s is gone from the rooms", name)
		}
	}
}

// exportedErrors are the exported error types and sentinels of the rooms below
// root, as "*index.GoneError" and "git.ErrOffline".
func exportedErrors(t *testing.T, root string) (found []string) {
	t.Helper()
	for _, room := range []string{"git", "requirements", "wheel", "layer"} {
		err := filepath.WalkDir(filepath.Join(root, room), func(name string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() && (d.Name() == "internal" || d.Name() == "testdata") {
				return fs.SkipDir
			}
			if d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
				return nil
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			found = append(found, errorsOf(file)...)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return found
}

func errorsOf(file *ast.File) (found []string) {
	for _, decl := range file.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			if decl.Name.Name != "Error" || decl.Recv == nil || len(decl.Type.Params.List) > 0 {
				continue
			}
			of := decl.Recv.List[0].Type
			star := ""
			if p, ok := of.(*ast.StarExpr); ok {
				of, star = p.X, "*"
			}
			if id, ok := of.(*ast.Ident); ok && id.IsExported() {
				found = append(found, star+file.Name.Name+"."+id.Name)
			}
		case *ast.GenDecl:
			for _, spec := range decl.Specs {
				if v, ok := spec.(*ast.ValueSpec); ok && decl.Tok == token.VAR {
					for _, id := range v.Names {
						if strings.HasPrefix(id.Name, "Err") {
							found = append(found, file.Name.Name+"."+id.Name)
						}
					}
				}
			}
		}
	}
	return found
}

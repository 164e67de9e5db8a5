package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// spoken is a command line that a message or a page names.
type spoken struct {
	place string
	line  string
	// typed is whether a reader is to type it as it stands: a command's name
	// alone is then not enough where the command takes arguments.
	typed bool
}

// TestArchitectureSpokenCommands looks up every command line of ours that a message, a
// comment or a page names: the command, its flags, the number of arguments.
func TestArchitectureSpokenCommands(t *testing.T) {
	t.Parallel()
	lines, faults, err := spokenBelow("../..")
	if err != nil {
		t.Fatal(err)
	}
	if len(lines) < 60 {
		t.Errorf("only %d command lines were found: are the sources and pages still read?", len(lines))
	}
	for _, dir := range []string{"README.md", "cmd/sparkwheel/docs/", "cmd/sparkwheel/internal/", "cmd/sparkwheel/relock.go"} {
		if !slices.ContainsFunc(lines, func(s spoken) bool { return strings.HasPrefix(s.place, dir) }) {
			t.Errorf("no command line was found in %s", dir)
		}
	}
	for _, s := range lines {
		if err := commandExists(s.line, s.typed); err != nil {
			faults = append(faults, fmt.Sprintf("%s: `%s`: %v", s.place, s.line, err))
		}
	}
	for _, f := range faults {
		t.Error(f)
	}
}

// spokenBelow reads the Go sources, pages and recipes below a directory.
func spokenBelow(dir string) (lines []spoken, faults []string, err error) {
	err = fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			// What make build, make demo and a build leave is no source.
			if d.Name() == "testdata" || name != "." && strings.HasPrefix(d.Name(), ".") || slices.Contains([]string{"bin", "demo", "out"}, name) {
				return fs.SkipDir
			}
			return nil
		case strings.HasSuffix(name, "_test.go") || !d.Type().IsRegular():
			return nil
		}
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		switch path.Ext(name) {
		case ".go":
			found, bad, err := spokenInGo(name, text)
			lines, faults = append(lines, found...), append(faults, bad...)
			return err
		case ".md", ".toml":
			lines = append(lines, spokenInText(name, string(text))...)
		}
		return nil
	})
	return lines, faults, err
}

// spokenInGo finds the command lines in a file's comments and string literals.
// A literal that names one of our commands outside backticks is a fault: nobody
// would look it up.
func spokenInGo(name string, src []byte) (lines []spoken, faults []string, err error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, nil, err
	}
	place := func(p token.Pos) string { return fset.Position(p).String() }
	for _, group := range file.Comments {
		lines = append(lines, spans(place(group.Pos()), strings.ReplaceAll(group.Text(), "\n", " "))...)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		e, ok := n.(ast.Expr)
		if !ok {
			return true
		}
		text, ok := literal(e)
		if !ok {
			return true
		}
		if m := bareRE.FindStringIndex(text); m != nil && m[0] == 0 && knownCommand(strings.Fields(text[:m[1]])[1]) {
			lines = append(lines, typedLines(place(n.Pos()), text)...)
			return false
		}
		var prose strings.Builder
		for line := range strings.Lines(text) {
			if strings.HasPrefix(line, "  sparkwheel ") {
				lines = append(lines, typedLines(place(n.Pos()), line)...)
				continue
			}
			prose.WriteString(line)
		}
		if strings.HasPrefix(name, "cmd/sparkwheel/") {
			faults = append(faults, unknownFlags(place(n.Pos()), prose.String())...)
		}
		found := spans(place(n.Pos()), prose.String())
		lines = append(lines, found...)
		if m := bareRE.FindString(spanRE.ReplaceAllString(prose.String(), "")); m != "" && knownCommand(strings.Fields(m)[1]) {
			faults = append(faults, fmt.Sprintf("%s: %q is outside backticks", place(n.Pos()), m))
		}
		return false
	})
	return lines, faults, nil
}

// foreign are flags of other programs that our messages name, or of every
// command.
var foreign = []string{"--privileged", "--help"}

// unknownFlags are the flags that a message names and no command of ours has.
func unknownFlags(place, text string) (faults []string) {
	if !strings.ContainsAny(text, " \n") || strings.Contains(text, "apt-get ") {
		return nil // an argument for another program, or a script
	}
	known := commandWords(quietApp().rootCommand()).flags
	for _, m := range flagRE.FindAllStringSubmatch(spanRE.ReplaceAllString(text, ""), -1) {
		flag, _, _ := strings.Cut(m[1], " ")
		if !slices.Contains(known, flag) && !slices.Contains(foreign, flag) {
			faults = append(faults, fmt.Sprintf("%s: %q names %s, and no command has it", place, text, flag))
		}
	}
	return faults
}

// literal is the text of a string literal or of a sum of them; what is no
// literal in the sum reads as NAME.
func literal(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(e.Value)
		return text, err == nil && e.Kind == token.STRING
	case *ast.BinaryExpr:
		if e.Op != token.ADD {
			return "", false
		}
		x, okX := literal(e.X)
		y, okY := literal(e.Y)
		if !okX {
			x = "NAME"
		}
		if !okY {
			y = "NAME"
		}
		return x + y, okX || okY
	}
	return "", false
}

var (
	spanRE = regexp.MustCompile("`[^`]*`")
	bareRE = regexp.MustCompile(`\bsparkwheel [a-z]+\b`)
	// wantRE is what stands before a command that the reader is to type.
	wantRE = regexp.MustCompile(`\b(run|type|with)\s+$`)
)

// spokenInText finds the command lines of a page: in backticks, and in fenced
// and indented blocks.
func spokenInText(name, text string) (lines []spoken) {
	fenced := false
	joined, start := "", 0
	for i, line := range strings.Split(text, "\n") {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			fenced = !fenced
			continue
		}
		if joined == "" {
			start = i + 1
		}
		if !fenced && !strings.HasPrefix(line, "    ") {
			lines = append(lines, spans(fmt.Sprintf("%s:%d", name, i+1), line)...)
			continue
		}
		if before, more := strings.CutSuffix(line, `\`); more {
			joined += before
			continue
		}
		lines = append(lines, typedLines(fmt.Sprintf("%s:%d", name, start), joined+line)...)
		joined = ""
	}
	return lines
}

// spans are the command lines in a text's backticks. Those that begin with a
// command of ours and go on count too, as in `build --push`.
func spans(place, text string) (lines []spoken) {
	for _, at := range spanRE.FindAllStringIndex(text, -1) {
		line := strings.ReplaceAll(strings.Trim(text[at[0]:at[1]], "`"), `\|`, "|") // a table's way to write |
		words := strings.Fields(line)
		if len(words) > 1 && knownCommand(words[0]) {
			line = "sparkwheel " + line
		}
		for _, s := range typedLines(place, line) {
			s.typed = wantRE.MatchString(text[:at[0]])
			lines = append(lines, s)
		}
	}
	return lines
}

var separatorRE = regexp.MustCompile(`&&|\|\||;| \| `)

// typedLines are our command lines among those of a shell's line.
func typedLines(place, line string) (lines []spoken) {
	for _, part := range separatorRE.Split(line, -1) {
		part, _, _ = strings.Cut(" "+part, " #")
		words := strings.Fields(part)
		i := slices.IndexFunc(words, func(w string) bool { return path.Base(w) == "sparkwheel" && !strings.HasSuffix(w, "cmd/sparkwheel") })
		if i >= 0 && i+1 < len(words) {
			lines = append(lines, spoken{place, strings.Join(words[i:], " "), true})
		}
	}
	return lines
}

func knownCommand(name string) bool {
	for _, c := range quietApp().commands() {
		if c.Name() == name {
			return true
		}
	}
	return false
}

func quietApp() *app {
	return &app{environment: environment{Getenv: func(string) string { return "" }, Stdin: strings.NewReader(""), Stdout: io.Discard, Stderr: io.Discard}}
}

// commandExists is why a command line cannot be typed, nil when it can: words in
// capitals, verbs of fmt and dots stand for any value, [] for what may be left
// out and | for alternatives.
func commandExists(line string, typed bool) error {
	for _, args := range alternatives(line) {
		if err := argsExist(args, typed); err != nil {
			return err
		}
	}
	return nil
}

var (
	valueRE  = regexp.MustCompile(`%(\[\d\])?[sqdv]|[A-Z]{2,}|…|\.\.\.`)
	numberRE = regexp.MustCompile(`^(-.*=)?(N|%d)$`)
	imageRE  = regexp.MustCompile(`^(-.*=|[a-z-]+:)?(REF|BASE|IMAGE)$`)
	redirRE  = regexp.MustCompile(`^[<>2]*[<>]`)
)

// alternatives expands a|b and takes away brackets and redirections.
func alternatives(line string) [][]string {
	all := [][]string{nil}
	for _, word := range strings.Fields(strings.NewReplacer("[", "", "]", "").Replace(line))[1:] {
		if redirRE.MatchString(word) {
			break
		}
		word = numberRE.ReplaceAllString(word, "${1}1")
		word = imageRE.ReplaceAllString(word, "${1}image")
		var next [][]string
		for _, args := range all {
			for choice := range strings.SplitSeq(word, "|") {
				next = append(next, append(slices.Clone(args), choice))
			}
		}
		all = next
	}
	return all
}

func argsExist(args []string, typed bool) error {
	root := quietApp().rootCommand()
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	cmd := root
	for len(args) > 0 && cmd.HasSubCommands() {
		if strings.HasPrefix(args[0], "-") || valueRE.MatchString(args[0]) {
			break
		}
		sub, _, err := cmd.Find(args[:1])
		if err != nil || sub == cmd {
			return fmt.Errorf("%s has no command %q", cmd.CommandPath(), args[0])
		}
		cmd, args = sub, args[1:]
	}
	if len(args) > 0 && cmd.HasSubCommands() && valueRE.MatchString(args[0]) {
		args = args[1:] // any of the commands below
		typed = false
	}
	cmd.InitDefaultHelpFlag()
	err := cmd.ParseFlags(args)
	if _, short := errors.AsType[*pflag.ValueRequiredError](err); short && !typed {
		err = cmd.ParseFlags(append(args, "name"))
	}
	if err != nil {
		return err
	}
	positional := cmd.Flags().Args()
	if slices.Contains(args, "...") || slices.Contains(args, "--help") || !typed && len(positional) == 0 {
		return nil
	}
	if cmd.HasSubCommands() && cmd != root {
		return fmt.Errorf("%s wants one of its commands", cmd.CommandPath())
	}
	return cmd.ValidateArgs(positional)
}

// TestSpokenFindsFaults gives the test above what it must not let through.
func TestArchitectureSpokenFindsFaults(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, text, want string }{
		{"a.md", "run `sparkwheel lock -r FILE`, then `build --push IMAGE` or `plan [TARGET...]`", ""},
		{"a.md", "`sparkwheel COMMAND --help`, `cache du|gc|verify`, `rewrite [--diff|--write] DIR`", ""},
		{"a.md", "`sparkwheel wheel verify` is a name alone; `-j N`; `sparkwheel build -j N`", ""},
		{"a.md", "    $ sudo bin/sparkwheel cache gc --dry-run  # all\n    sparkwheel layer push \\\n      --wheel F IMAGE <token", ""},
		{"a.md", "make one by `sparkwheel nosuch NAME`", `sparkwheel has no command "nosuch"`},
		{"a.md", "`sparkwheel cache nosuch`", `sparkwheel cache has no command "nosuch"`},
		{"a.md", "`build --nosuch`", "unknown flag: --nosuch"},
		{"a.md", "`sparkwheel -x lock`", "unknown shorthand flag"},
		{"a.md", "`cache du|nosuch`", `sparkwheel cache has no command "nosuch"`},
		{"a.md", "run `sparkwheel wheel verify`", "requires at least 1 arg"},
		{"a.md", "run `sparkwheel cache`", "wants one of its commands"},
		{"a.md", "`rewrite DIR DIR`", "accepts 1 arg"},
		{"a.md", "```\nsparkwheel fetch && sparkwheel nosuch\n```", `no command "nosuch"`},
		{"a.md", "    sparkwheel layer push \\\n      --nosuch IMAGE", "unknown flag: --nosuch"},
		{"a.go", "package p // run `sparkwheel nosuch`", `no command "nosuch"`},
		{"a.go", "package p; const x = \"run `sparkwheel lock \" + y + \" --nosuch=%s`\"", "unknown flag: --nosuch"},
		{"a.go", "package p; const x = \"run sparkwheel lock\"", `"sparkwheel lock" is outside backticks`},
		{"a.go", "package p; const x = \"this sparkwheel reads\"", ""},
		{"cmd/sparkwheel/a.go", "package p; const x = \"give --nosuch FILE\"", `names --nosuch`},
		{"cmd/sparkwheel/a.go", "package p; const x = \"give --store DIR\"", ""},
		{"a.go", "package p; const x = \"  sparkwheel rewrite\\n\"", "accepts 1 arg"},
	} {
		lines, faults := spokenInText(test.name, test.text), []string(nil)
		if strings.HasSuffix(test.name, "a.go") {
			var err error
			if lines, faults, err = spokenInGo(test.name, []byte(test.text)); err != nil {
				t.Fatal(err)
			}
		}
		for _, s := range lines {
			if err := commandExists(s.line, s.typed); err != nil {
				faults = append(faults, err.Error())
			}
		}
		if got := strings.Join(faults, "; "); test.want == "" && got != "" || !strings.Contains(got, test.want) {
			t.Errorf("%s: got %q, want %q", test.text, got, test.want)
		}
	}
}

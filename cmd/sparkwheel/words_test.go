package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// words are what cmd alone says to a user: commands, flags, tables and keys of a
// recipe. A room that names one would name it in another program too.
type words struct {
	commands, flags, keys []string
}

// ourWords reads them off the commands and the shape of a recipe. Keys of one
// word, such as name, are left out: they are English.
func ourWords(t *testing.T) words {
	t.Helper()
	w := commandWords(quietApp().rootCommand())
	file, err := parser.ParseFile(token.NewFileSet(), "internal/recipe/shape.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if f, ok := n.(*ast.Field); ok && f.Tag != nil {
			tag, _ := strconv.Unquote(f.Tag.Value)
			key, _, _ := strings.Cut(reflect.StructTag(tag).Get("toml"), ",")
			if strings.Contains(key, "-") && key != "-" {
				w.keys = append(w.keys, key)
			}
		}
		return true
	})
	if len(w.commands) < 15 || len(w.flags) < 40 || len(w.keys) < 6 {
		t.Fatalf("only %d commands, %d flags and %d keys were found", len(w.commands), len(w.flags), len(w.keys))
	}
	return w
}

// commandWords are the names and flags of a command and those below it.
func commandWords(c *cobra.Command) (w words) {
	add := func(f *pflag.Flag) {
		w.flags = append(w.flags, "--"+f.Name)
		if f.Shorthand != "" {
			w.flags = append(w.flags, "-"+f.Shorthand)
		}
	}
	w.commands = append(w.commands, c.Name())
	c.Flags().VisitAll(add)
	c.PersistentFlags().VisitAll(add)
	for _, sub := range c.Commands() {
		below := commandWords(sub)
		w.commands, w.flags = append(w.commands, below.commands...), append(w.flags, below.flags...)
	}
	return w
}

var (
	// Of one letter only those with a value in capitals: sudo and others have such
	// flags too.
	flagRE  = regexp.MustCompile(`(?:^|[\s(` + "`" + `"])(--[a-z][a-z-]+\b|-[a-z] [A-Z]+\b)`)
	tableRE = regexp.MustCompile(`\[\[[a-z.]+\]\]`)
	keyRE   = regexp.MustCompile(`\b[a-z]+(?:-[a-z]+)+\b`)
)

// named is the first of our words in a text, "" where there is none. A text
// without a space is an argument or a name, and not said to anybody.
func (w words) named(text string) string {
	if !strings.ContainsAny(text, " \n") {
		return ""
	}
	for _, m := range bareRE.FindAllString(text, -1) {
		if slices.Contains(w.commands, strings.Fields(m)[1]) {
			return m
		}
	}
	for _, m := range flagRE.FindAllStringSubmatch(text, -1) {
		flag, _, _ := strings.Cut(m[1], " ")
		if slices.Contains(w.flags, flag) {
			return flag
		}
	}
	for _, m := range keyRE.FindAllString(text, -1) {
		if slices.Contains(w.keys, m) {
			return m
		}
	}
	if m := tableRE.FindString(text); m != "" {
		return m
	}
	if strings.Contains(text, "recipe") {
		return "recipe"
	}
	return ""
}

func wordViolations(fset *token.FileSet, p pkg, ours words) (found []string) {
	for _, file := range p.files {
		ast.Inspect(file, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return true
			}
			text, err := strconv.Unquote(lit.Value)
			if err != nil {
				return true
			}
			if word := ours.named(text); word != "" {
				found = append(found, fmt.Sprintf("%s: %s names %s: cmd alone knows commands, flags and recipes; return an error that cmd/sparkwheel/internal/remedy answers",
					fset.Position(lit.Pos()), p.path, word))
			}
			return true
		})
	}
	return found
}

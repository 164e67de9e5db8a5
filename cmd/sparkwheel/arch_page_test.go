package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestArchitecturePage holds the page against the code: the files and
// directories that it names exist, and each arrow of its picture is one that the
// rules allow, between packages that there are.
func TestArchitecturePage(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	files := 0
	for _, m := range regexp.MustCompile("`([a-z][A-Za-z/_]*/[A-Za-z/_.]+)`").FindAllStringSubmatch(string(text), -1) {
		if strings.HasPrefix(m[1], "out/") {
			continue // what a build makes
		}
		files++
		if _, err := os.Stat(filepath.Join("../..", m[1])); err != nil {
			t.Errorf("the page names %s: %v", m[1], err)
		}
	}
	_, picture, _ := strings.Cut(string(text), "```mermaid\n")
	picture, _, _ = strings.Cut(picture, "```")
	arrowsShown, drawn := 0, map[string]bool{}
	for line := range strings.Lines(picture) {
		from, to, ok := strings.Cut(regexp.MustCompile(`\[".*?"\]`).ReplaceAllString(line, ""), "-->")
		if !ok {
			continue
		}
		for one := range strings.SplitSeq(to, "&") {
			arrowsShown++
			a, b := strings.TrimSpace(from), strings.TrimSpace(one)
			drawn[a], drawn[b] = true, true
			if !arrowAllowed(a, b) {
				t.Errorf("the picture has an arrow from %s to %s, which the rules refuse", a, b)
			}
		}
	}
	if files < 20 || arrowsShown < 15 {
		t.Errorf("only %d files and %d arrows were found on the page", files, arrowsShown)
	}
	for name := range inside {
		if !drawn[name] && !strings.Contains(string(text), "`"+name+"`") {
			t.Errorf("the page does not name package %s", name)
		}
	}
}

// arrowAllowed is whether a package may import another, by their names in the
// picture: rooms, and packages below cmd/sparkwheel/internal.
func arrowAllowed(from, to string) bool {
	_, fromRoom := arrows[from]
	_, toRoom := arrows[to]
	_, fromInside := inside[from]
	_, toInside := inside[to]
	switch {
	case fromRoom && toRoom:
		return slices.Contains(arrows[from], to)
	case fromInside && toInside:
		return slices.Contains(inside[from], to)
	case fromRoom:
		return from == "cmd" && toInside
	}
	return fromInside && slices.Contains(arrows["cmd"], to)
}

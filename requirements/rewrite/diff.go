package rewrite

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// context is how many unchanged lines a hunk shows on either side.
const context = 3

// Diff is the changes as a unified diff, in the order of paths, that patch -p1
// and git apply take.
func (r Result) Diff() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(r.Files)) {
		fmt.Fprintf(&b, "--- a/%s\n+++ b/%s\n", name, name)
		writeHunks(&b, lines(r.before[name]), lines(r.Files[name]))
	}
	return b.String()
}

// lines divides at line feeds, which each line keeps.
func lines(b []byte) []string {
	split := strings.SplitAfter(string(b), "\n")
	if split[len(split)-1] == "" {
		split = split[:len(split)-1]
	}
	return split
}

// run is a[i:iEnd] becoming b[j:jEnd]; between runs, lines are equal.
type run struct{ i, iEnd, j, jEnd int }

// runs finds where a and b differ. Rules take lines out or change them where
// they stand, so the nearest line that both have is the right place to go on.
func runs(a, b []string) []run {
	var found []run
	for i, j := 0, 0; i < len(a) || j < len(b); {
		if i < len(a) && j < len(b) && a[i] == b[j] {
			i, j = i+1, j+1
			continue
		}
		r := run{i: i, j: j}
		i, j = rejoin(a, b, i, j)
		r.iEnd, r.jEnd = i, j
		found = append(found, r)
	}
	return found
}

func rejoin(a, b []string, i, j int) (int, int) {
	for apart := 1; apart <= len(a)-i+len(b)-j; apart++ {
		for dj := max(0, apart-(len(a)-i)); dj <= min(apart, len(b)-j); dj++ {
			di := apart - dj
			if agree(a[i+di:], b[j+dj:]) {
				return i + di, j + dj
			}
		}
	}
	return len(a), len(b)
}

// agree asks for an equal line, and after a blank one for another, so that
// blank lines do not mislead.
func agree(a, b []string) bool {
	if len(a) == 0 || len(b) == 0 {
		return len(a) == len(b)
	}
	if a[0] != b[0] || strings.TrimSpace(a[0]) != "" {
		return a[0] == b[0]
	}
	return len(a) > 1 && len(b) > 1 && a[1] == b[1]
}

func writeHunks(b *strings.Builder, old, new []string) {
	all := runs(old, new)
	for len(all) > 0 {
		n := 1
		for n < len(all) && all[n].i-all[n-1].iEnd <= 2*context {
			n++
		}
		writeHunk(b, old, new, all[:n])
		all = all[n:]
	}
}

func writeHunk(b *strings.Builder, old, new []string, hunk []run) {
	first, last := hunk[0], hunk[len(hunk)-1]
	before := min(context, first.i)
	after := min(context, len(old)-last.iEnd)
	fmt.Fprintf(b, "@@ -%s +%s @@\n",
		extent(first.i-before, last.iEnd+after), extent(first.j-before, last.jEnd+after))
	at := first.i - before
	for _, r := range hunk {
		writeLines(b, " ", old[at:r.i])
		writeLines(b, "-", old[r.i:r.iEnd])
		writeLines(b, "+", new[r.j:r.jEnd])
		at = r.iEnd
	}
	writeLines(b, " ", old[at:last.iEnd+after])
}

// extent is a hunk's start and length; of an empty one, the line before it.
func extent(start, end int) string {
	if start == end {
		return fmt.Sprintf("%d,0", start)
	}
	return fmt.Sprintf("%d,%d", start+1, end-start)
}

func writeLines(b *strings.Builder, mark string, lines []string) {
	for _, l := range lines {
		b.WriteString(mark + l)
		if !strings.HasSuffix(l, "\n") {
			b.WriteString("\n\\ No newline at end of file\n")
		}
	}
}

package progress

import (
	"strings"

	"golang.org/x/text/width"
)

// columnsOf is how many columns of a terminal s takes, at most.
func columnsOf(s string) int {
	n := 0
	for _, c := range s {
		n += columnsOfRune(c)
	}
	return n
}

func columnsOfRune(c rune) int {
	switch width.LookupRune(c).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// cut is s in at most so many columns; an ellipsis says that something is gone.
func cut(s string, columns int) string {
	if columnsOf(s) <= columns {
		return s
	}
	used := 0
	for i, c := range s {
		if used += columnsOfRune(c); used >= columns {
			if columns < 1 {
				return ""
			}
			return s[:i] + "…"
		}
	}
	return s
}

// pad is s in exactly so many columns.
func pad(s string, columns int) string {
	s = cut(s, columns)
	return s + strings.Repeat(" ", max(0, columns-columnsOf(s)))
}

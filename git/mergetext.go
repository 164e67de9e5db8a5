package git

import (
	"bytes"
	"slices"

	"github.com/sergi/go-diff/diffmatchpatch"
)

// mergeText is the three-way merge of texts, line by line. Changes of both
// sides that overlap or touch, and are not the same, do not merge: ok is false
// then, with the line of the first such place in ours. So it is where a change
// can be read in two ways that merge differently, and where no line that occurs
// once in all three texts stands between a change of one side and the next one of
// the other: which lines were changed is a guess there, git's or ours.
func mergeText(base, ours, theirs []byte) (merged []byte, line int, ok bool) {
	lines := newLines()
	o, a, b := lines.of(base), lines.of(ours), lines.of(theirs)
	if len(o) > mostLines || len(a) > mostLines || len(b) > mostLines {
		return nil, 1, false
	}
	anchors := once(o, a, b)
	var first []rune
	for i, read := range []func(base, side []rune) []change{changesOf, changesFromEnd, changesByRarity, rarityFromEnd} {
		numbers, line, ok := mergeLines(o, anchors, read(o, a), read(o, b))
		if !ok || i > 0 && !slices.Equal(first, numbers) {
			return nil, max(line, 1), false
		}
		first = numbers
	}
	return lines.text(first), 0, true
}

// mostLines bounds what is compared line by line: the time that takes grows with
// the square. The longest file of vLLM and FlashInfer has a tenth of it.
const mostLines = 40_000

// lines gives every line a number, as a rune that the diff takes.
type lines struct {
	number map[string]rune
	line   []string
}

func newLines() *lines { return &lines{number: map[string]rune{}} }

// surrogates are runes that cannot stand in a string.
const surrogates, afterSurrogates = 0xd800, 0xe000

func (l *lines) of(text []byte) []rune {
	var out []rune
	for line := range bytes.Lines(text) {
		n, ok := l.number[string(line)]
		if !ok {
			n = rune(len(l.line) + 1)
			if n >= surrogates {
				n += afterSurrogates - surrogates
			}
			l.number[string(line)] = n
			l.line = append(l.line, string(line))
		}
		out = append(out, n)
	}
	return out
}

func (l *lines) text(numbers []rune) []byte {
	var out []byte
	for _, n := range numbers {
		if n >= afterSurrogates {
			n -= afterSurrogates - surrogates
		}
		out = append(out, l.line[n-1]...)
	}
	return out
}

// change replaces lines from..to of the base by those of a side.
type change struct {
	from, to int
	at       int // in the side
	lines    []rune
}

func changesOf(base, side []rune) []change {
	dmp := diffmatchpatch.New()
	dmp.DiffTimeout = 0 // the clock must not decide
	var all []change
	from, at := 0, 0
	open := false
	for _, d := range dmp.DiffMainRunes(base, side, false) {
		text := []rune(d.Text)
		if d.Type == diffmatchpatch.DiffEqual {
			from, at, open = from+len(text), at+len(text), false
			continue
		}
		if !open {
			all, open = append(all, change{from: from, to: from, at: at}), true
		}
		last := &all[len(all)-1]
		if d.Type == diffmatchpatch.DiffDelete {
			last.to += len(text)
			from += len(text)
		} else {
			last.lines = append(last.lines, text...)
			at += len(text)
		}
	}
	return all
}

// changesFromEnd is changesOf read from the end of the texts: of equal lines it
// takes the last ones for what was added or left out.
func changesFromEnd(base, side []rune) []change { return fromEnd(base, side, changesOf) }

// rarityFromEnd is changesByRarity read from the end.
func rarityFromEnd(base, side []rune) []change { return fromEnd(base, side, changesByRarity) }

func fromEnd(base, side []rune, read func(base, side []rune) []change) []change {
	o, s := slices.Clone(base), slices.Clone(side)
	slices.Reverse(o)
	slices.Reverse(s)
	all := read(o, s)
	for i := range all {
		c := &all[i]
		c.from, c.to = len(base)-c.to, len(base)-c.from
		c.at = len(side) - c.at - len(c.lines)
		slices.Reverse(c.lines)
	}
	slices.Reverse(all)
	return all
}

// once are the lines that occur exactly once in each of the texts.
func once(texts ...[]rune) map[rune]bool {
	count := map[rune]int{}
	for _, text := range texts {
		here := map[rune]int{}
		for _, n := range text {
			here[n]++
		}
		for n, times := range here {
			if times == 1 {
				count[n]++
			}
		}
	}
	anchors := map[rune]bool{}
	for n, times := range count {
		anchors[n] = times == len(texts)
	}
	return anchors
}

// mergeLines applies the changes of both sides to the base.
func mergeLines(base []rune, anchors map[rune]bool, ours, theirs []change) (merged []rune, line int, ok bool) {
	done := 0
	var before [2]bool // which sides the region before this one is of
	for len(ours) > 0 || len(theirs) > 0 {
		var a, b []change
		a, b, ours, theirs = region(ours, theirs)
		from, to := span(a, b)
		sides := [2]bool{len(a) > 0, len(b) > 0}
		apart := slices.ContainsFunc(base[done:from], func(n rune) bool { return anchors[n] })
		if before != [2]bool{} && before != sides && !apart {
			return nil, len(merged) + 1, false
		}
		before = sides
		merged = append(merged, base[done:from]...)
		switch {
		case len(b) == 0:
			merged = append(merged, replaced(base, from, to, a)...)
		case len(a) == 0:
			merged = append(merged, replaced(base, from, to, b)...)
		default:
			one, other := replaced(base, from, to, a), replaced(base, from, to, b)
			if !slices.Equal(one, other) {
				return nil, a[0].at + 1, false
			}
			merged = append(merged, one...)
		}
		done = to
	}
	return append(merged, base[done:]...), 0, true
}

// region takes from both lists the first change and all that overlap or touch it.
func region(ours, theirs []change) (a, b, oursLeft, theirsLeft []change) {
	i, j := 0, 0
	end := -1
	take := func(list []change, n *int) bool {
		if *n < len(list) && (end < 0 || list[*n].from <= end) {
			end = max(end, list[*n].to)
			*n++
			return true
		}
		return false
	}
	if len(theirs) == 0 || len(ours) > 0 && ours[0].from <= theirs[0].from {
		take(ours, &i)
	} else {
		take(theirs, &j)
	}
	for take(theirs, &j) || take(ours, &i) {
		continue
	}
	return ours[:i], theirs[:j], ours[i:], theirs[j:]
}

func span(a, b []change) (from, to int) {
	all := append(slices.Clone(a), b...)
	from, to = all[0].from, all[0].to
	for _, c := range all {
		from, to = min(from, c.from), max(to, c.to)
	}
	return from, to
}

// replaced is base[from:to] with the changes made.
func replaced(base []rune, from, to int, changes []change) []rune {
	var out []rune
	for _, c := range changes {
		out = append(out, base[from:c.from]...)
		out = append(out, c.lines...)
		from = c.to
	}
	return append(out, base[from:to]...)
}

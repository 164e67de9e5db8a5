package pyproject

import "slices"

// drop takes the elements that start at dropped out of the array, and for each
// as much of commas, space and comments as leaves a tidy, valid array:
//
//   - the comma after it on its line, else the comma before it on its line, else
//     the comma after it, wherever that stands;
//   - the whole line, its comment included, when nothing else is on it.
func (a array) drop(src []byte, dropped map[int]bool) []edit {
	tokens := a.tokens(src)
	for i, t := range tokens {
		if t.kind == value && dropped[t.start] {
			tokens[i].gone = true
			if c := comma(tokens, i); c >= 0 {
				tokens[c].gone = true
			}
		}
	}
	tidy(tokens)
	var edits []edit
	for _, t := range tokens {
		if t.gone {
			edits = append(edits, edit{t.start, t.end, ""})
		}
	}
	return edits
}

// tokens divides the array, brackets included.
func (a array) tokens(src []byte) []token {
	var open []int
	at := a.from
	for at < a.elements[0].start {
		t := next(src, at)
		switch src[t.start] {
		case '[', '{':
			open = append(open, t.start)
		case ']', '}':
			open = open[:len(open)-1]
		}
		at = t.end
	}
	var tokens []token
	depth, line := 0, 0
	for at := open[len(open)-1]; ; {
		t := next(src, at)
		at = t.end
		switch src[t.start] {
		case '[', '{':
			depth++
		case ']', '}':
			depth--
		}
		inner := depth > 1 || depth == 1 && (src[t.start] == ']' || src[t.start] == '}')
		t.line = line
		switch last := len(tokens) - 1; {
		case inner && tokens[last].kind == value && tokens[last].end == t.start:
			tokens[last].end = t.end
		case inner:
			t.kind = value
			tokens = append(tokens, t)
		default:
			tokens = append(tokens, t)
		}
		if t.kind == newline && !inner {
			line++
		}
		if depth == 0 {
			return tokens
		}
	}
}

// comma picks the comma that goes with the element at i, -1 if none need go.
func comma(tokens []token, i int) int {
	after := neighbour(tokens, i, 1)
	if after >= 0 && tokens[after].line == tokens[i].line {
		return after
	}
	if before := neighbour(tokens, i, -1); before >= 0 && tokens[before].line == tokens[i].line {
		return before
	}
	return after
}

// neighbour is the nearest comma that is left, unless another value or a
// bracket is nearer.
func neighbour(tokens []token, i, step int) int {
	for i += step; i >= 0 && i < len(tokens); i += step {
		switch t := tokens[i]; {
		case t.gone:
		case t.kind == mark && t.comma:
			return i
		case t.kind == mark || t.kind == value:
			return -1
		}
	}
	return -1
}

// tidy takes lines out that hold nothing any more, and space that was doubled.
func tidy(tokens []token) {
	for start := 0; start < len(tokens); {
		end := start
		for end < len(tokens) && tokens[end].line == tokens[start].line {
			end++
		}
		line := tokens[start:end]
		start = end
		if !slices.ContainsFunc(line, func(t token) bool { return t.gone }) {
			continue
		}
		if !slices.ContainsFunc(line, func(t token) bool { return !t.gone && (t.kind == mark || t.kind == value) }) {
			for i := range line {
				line[i].gone = true
			}
			continue
		}
		tidyLine(line)
	}
}

func tidyLine(line []token) {
	for i := 0; i < len(line); i++ {
		if !line[i].gone {
			continue
		}
		end := i + 1
		for end < len(line) && (line[end].gone || line[end].kind == space && end+1 < len(line) && line[end+1].gone) {
			line[end].gone = true
			end++
		}
		spaceBefore := i > 0 && line[i-1].kind == space
		opens := i == 0 || line[i-1].kind == mark && !line[i-1].comma
		switch {
		case end < len(line) && line[end].kind == space && (spaceBefore || opens):
			line[end].gone = true
		case spaceBefore && (end == len(line) || line[end].kind == newline):
			line[i-1].gone = true
		case spaceBefore && i > 1 && line[end].kind == mark && !line[end].comma:
			line[i-1].gone = true
		}
		i = end
	}
}

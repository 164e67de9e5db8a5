package pyproject

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/sparkwheel/sparkwheel/requirements"
	"github.com/sparkwheel/sparkwheel/requirements/excerpt"
)

// edit replaces src[start:end] by text.
type edit struct {
	start, end int
	text       string
}

func apply(src []byte, edits []edit) []byte {
	slices.SortFunc(edits, func(a, b edit) int { return a.start - b.start })
	var b bytes.Buffer
	done := 0
	for _, e := range edits {
		b.Write(src[done:e.start])
		b.WriteString(e.text)
		done = e.end
	}
	b.Write(src[done:])
	return b.Bytes()
}

// rewrite judges each element; what rules drop is taken out with one comma.
func (a array) rewrite(name string, src []byte, rules []requirements.Rule) ([]edit, requirements.Report, error) {
	report := requirements.Report{Matched: make([]bool, len(rules))}
	var edits []edit
	var faults []error
	dropped := map[int]bool{}
	line, counted := 1, 0
	for _, e := range a.elements {
		line += bytes.Count(src[counted:e.start], []byte("\n"))
		counted = e.start
		r, err := requirements.ParseRequirement(e.value)
		if err != nil {
			faults = append(faults, a.fault(name, src, e, line, err))
			continue
		}
		v := requirements.Judge(e.value, r.Name, rules)
		if v.Rule < 0 {
			continue
		}
		report.Matched[v.Rule] = true
		rule := rules[v.Rule].String()
		switch {
		case v.Left != "":
			report.Left = append(report.Left, requirements.Left{File: name, Line: line, Text: e.value, Rule: rule, Reason: v.Left})
		case v.Drop:
			dropped[e.start] = true
			report.Changes = append(report.Changes, requirements.Change{File: name, Line: line, Before: e.value, Rule: rule})
		case v.Text != "":
			after := e.value[:v.Start] + v.Text + e.value[v.End:]
			edits = append(edits, e.replace(src, v, after))
			report.Changes = append(report.Changes, requirements.Change{File: name, Line: line, Before: e.value, After: after, Rule: rule})
		}
	}
	if len(dropped) > 0 {
		edits = append(edits, a.drop(src, dropped)...)
	}
	return edits, report, errors.Join(faults...)
}

func (a array) fault(name string, src []byte, e element, line int, err error) error {
	msg := err.Error()
	if syntax, ok := errors.AsType[*requirements.SyntaxError](err); ok {
		msg = syntax.Msg
	}
	start := bytes.LastIndexByte(src[:e.start], '\n') + 1
	text, _, _ := bytes.Cut(src[start:], []byte("\n"))
	return &requirements.SyntaxError{
		File: name, Line: line, Col: utf8.RuneCount(src[start:e.start]) + 1,
		Text: strings.TrimSuffix(string(text), "\r"),
		Msg:  fmt.Sprintf("%s has %q, which is not a requirement: %s", a.key, excerpt.Of(e.value), msg),
	}
}

// replace edits the specifiers inside the literal where it is written without
// escapes, else it writes a new literal.
func (e element) replace(src []byte, v requirements.Verdict, after string) edit {
	literal := string(src[e.start:e.end])
	if i := strings.Index(literal, e.value); i >= 0 {
		return edit{e.start + i + v.Start, e.start + i + v.End, v.Text}
	}
	return edit{e.start, e.end, quote(after)}
}

// quote is s as a TOML basic string.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteString(`\` + string(r))
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

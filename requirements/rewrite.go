package requirements

import "strings"

// Rewrite applies rules to each requirement of f and returns the new file, with
// every other byte as it was. A dropped requirement takes its continuation
// lines, hashes and the comment on its line along, and lines of hashes behind it
// that belong to nothing; comments on lines of their own stay. Without a change the file is f. Rewriting twice is rewriting once.
func Rewrite(f *File, rules []Rule) (*File, Report) {
	report := Report{Matched: make([]bool, len(rules))}
	var edits []edit
	dropped := "" // by this rule, the requirement before
	for _, e := range f.entries {
		if e.Orphan {
			report.Warnings = append(report.Warnings, Warning{f.name, e.Line, e.Text, "pip ignores it: the line before does not end in a backslash"})
			if dropped != "" {
				edits = f.change(&report, edits, e, Verdict{Drop: true}, dropped)
			}
			continue
		}
		dropped = ""
		v := Judge(e.spec, e.Name, rules)
		if v.Rule < 0 {
			continue
		}
		rule := rules[v.Rule].String()
		report.Matched[v.Rule] = true
		switch pins := v.Left == "" && !v.Drop && v.Text != ""; {
		case pins && e.Kind == Editable:
			v.Left = "it is editable"
		case pins && e.Hashed:
			v.Left = "its hashes are those of the versions that it requires"
		}
		if v.Left != "" {
			report.Left = append(report.Left, Left{f.name, e.Line, e.Text, rule, v.Left})
			continue
		}
		edits = f.change(&report, edits, e, v, rule)
		if v.Drop {
			dropped = rule
		}
	}
	if len(edits) == 0 {
		return f, report
	}
	return f.edited(edits), report
}

// change adds the edit that a verdict makes of an entry, and reports it.
func (f *File) change(report *Report, edits []edit, e Entry, v Verdict, rule string) []edit {
	change, ok := e.edit(v)
	if !ok {
		return edits
	}
	lines := e.physical()
	report.Changes = append(report.Changes, Change{
		File:   f.name,
		Line:   e.Line,
		Before: f.text[lines.start:lines.end],
		After:  change.applied(f.text, lines),
		Rule:   rule,
	})
	return append(edits, change)
}

// edit replaces a part of a file's text.
type edit struct {
	span
	text string
}

// applied is the text of within after the edit; a whole line that goes is "".
func (e edit) applied(text string, within span) string {
	if e.start <= within.start && within.end <= e.end {
		return ""
	}
	return text[within.start:e.start] + e.text + text[e.end:within.end]
}

// physical is where the entry's lines stand in the file's text, without the last
// line break and without a comment line that ended a continuation.
func (e Entry) physical() span {
	lines := e.logical.lines
	if e.logical.tail {
		lines = lines[:len(lines)-1]
	}
	return span{lines[0].start, lines[len(lines)-1].stop}
}

func (e Entry) edit(v Verdict) (edit, bool) {
	if v.Drop {
		lines := e.logical.lines
		if e.logical.tail {
			lines = lines[:len(lines)-1]
		}
		return edit{span{lines[0].start, lines[len(lines)-1].end}, ""}, true
	}
	if v.Text == "" {
		return edit{}, false
	}
	at := e.logical.at
	start := at[v.Start-1] + 1 // a name always stands before its specifiers
	end := start
	if v.End > v.Start {
		start, end = at[v.Start], at[v.End-1]+1
	}
	return edit{span{start, end}, v.Text}, true
}

func (f *File) edited(edits []edit) *File {
	var b strings.Builder
	done := 0
	for _, e := range edits {
		b.WriteString(f.text[done:e.start] + e.text)
		done = e.end
	}
	b.WriteString(f.text[done:])
	next := &File{name: f.name, codec: f.codec, text: b.String()}
	// Reading the result cannot find faults: lines were taken out whole, or a
	// specifier was replaced by one that parses.
	_ = next.read()
	return next
}

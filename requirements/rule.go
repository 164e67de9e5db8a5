package requirements

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/sparkwheel/sparkwheel/requirements/version"
)

// Rule says what becomes of a distribution's requirements: either Drop is set,
// or Pin and To are.
type Rule struct {
	// Drop is a name, or a glob over normalised names: flashinfer-* is every
	// name that begins so, and not flashinfer itself.
	Drop string
	// Pin names the distribution whose specifiers become To, as "==2.11.0".
	Pin Name
	To  string
}

// Check refuses a rule that says nothing, or both things, or cannot be read.
func (r Rule) Check() error {
	switch {
	case r.Drop == "" && r.Pin == "":
		return errors.New("a rule must drop or pin a distribution")
	case r.Drop != "" && (r.Pin != "" || r.To != ""):
		return fmt.Errorf("rule for %s both drops and pins", r.Drop)
	case r.Drop != "":
		if _, err := path.Match(r.Drop, ""); err != nil || strings.ContainsAny(r.Drop, "/ ") {
			return fmt.Errorf("rule drops %q, which is neither a name nor a glob over names", r.Drop)
		}
		return nil
	}
	set, err := version.ParseSpecifiers(r.To)
	if err != nil {
		return fmt.Errorf("rule pins %s: %w", r.Pin, err)
	}
	if len(set) == 0 || strings.ContainsFunc(r.To, func(c rune) bool { return c > '~' }) {
		return fmt.Errorf("rule pins %s to %q; use specifiers, such as \"==2.11.0\"", r.Pin, r.To)
	}
	return nil
}

// String is the rule in words: "drop triton", "pin torch==2.11.0".
func (r Rule) String() string {
	if r.Drop != "" {
		return "drop " + r.Drop
	}
	return "pin " + string(r.Pin) + r.To
}

// Matches reports whether the rule is about the distribution n.
func (r Rule) Matches(n Name) bool {
	if n == "" {
		return false
	}
	if r.Drop == "" {
		return Normalize(string(r.Pin)) == n
	}
	ok, err := path.Match(string(Normalize(r.Drop)), string(n))
	return err == nil && ok
}

// Change is one requirement that a rule dropped or pinned.
type Change struct {
	File string `json:"file"`
	Line int    `json:"line"` // from 1, in the file before the change
	// Before and After are the requirement's lines; After is "" where it is dropped.
	Before string `json:"before"`
	After  string `json:"after"`
	Rule   string `json:"rule"`
}

// Left is a requirement that a rule matched and could not change.
type Left struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Text   string `json:"text"`
	Rule   string `json:"rule"`
	Reason string `json:"reason"`
}

// Warning is a line that pip takes for something else than it looks like.
type Warning struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Text    string `json:"text"`
	Message string `json:"message"`
}

// Report is what rules did. Matched has an element for each rule: whether it
// met a requirement at all, changed or not.
type Report struct {
	Changes  []Change
	Left     []Left
	Warnings []Warning // of all lines, whatever the rules
	Matched  []bool
}

// Add appends what the same rules did to another file.
func (r *Report) Add(other Report) {
	r.Changes = append(r.Changes, other.Changes...)
	r.Left = append(r.Left, other.Left...)
	r.Warnings = append(r.Warnings, other.Warnings...)
	if r.Matched == nil {
		r.Matched = make([]bool, len(other.Matched))
	}
	for i, m := range other.Matched {
		r.Matched[i] = r.Matched[i] || m
	}
}

// Verdict is what rules say of one requirement.
type Verdict struct {
	Rule int // index of the first rule that matches, -1 if none does
	Drop bool
	// Start and End bound the bytes that Text replaces. Text is "" when nothing
	// is to change.
	Start, End int
	Text       string
	// Left says why a rule that matches cannot be applied.
	Left string
}

// Judge applies the first rule that matches name to the requirement in text. A
// pin leaves alone what is no specifier that it could replace: a URL, a path, a
// local version such as ==2.11.0+cpu.
func Judge(text string, name Name, rules []Rule) Verdict {
	for i, r := range rules {
		if !r.Matches(name) {
			continue
		}
		if r.Drop != "" {
			return Verdict{Rule: i, Drop: true}
		}
		v := r.pin(text)
		v.Rule = i
		return v
	}
	return Verdict{Rule: -1}
}

func (r Rule) pin(text string) Verdict {
	req, at, err := parseRequirement(text)
	switch {
	case err != nil:
		return Verdict{Left: "it is not a name with specifiers, so there is nothing to pin"}
	case req.URL != "":
		return Verdict{Left: "it is required by URL"}
	}
	for _, s := range req.Specifiers {
		if s.HasLocal() {
			return Verdict{Left: "it requires the local version " + s.Text}
		}
	}
	to, err := version.ParseSpecifiers(r.To)
	if err != nil {
		return Verdict{Left: err.Error()}
	}
	if to.String() == req.Specifiers.String() {
		return Verdict{}
	}
	return Verdict{Start: at.start, End: at.end, Text: respace(text[at.start:at.end], to, r.To)}
}

// Pin replaces the specifiers of the requirement in text by to, local versions
// too; name, extras and marker stay as they are written. A requirement by URL
// has none, and is an error, as is text that is no requirement.
func Pin(text, to string) (string, error) {
	r, at, err := parseRequirement(text)
	if err != nil {
		return "", err
	}
	if r.URL != "" {
		return "", fmt.Errorf("pinning %s: it is required by URL", r.Name)
	}
	set, err := version.ParseSpecifiers(to)
	if err != nil {
		return "", fmt.Errorf("pinning %s: %w", r.Name, err)
	}
	return text[:at.start] + respace(text[at.start:at.end], set, to) + text[at.end:], nil
}

// respace keeps the space of "torch == 2.10.0" where one clause replaces one.
func respace(old string, to version.Specifiers, text string) string {
	was, err := version.ParseSpecifiers(old)
	if err != nil || len(was) != 1 || len(to) != 1 {
		return text
	}
	rest := strings.TrimLeft(old[len(was[0].Op):], " \t")
	space := old[len(was[0].Op) : len(old)-len(rest)]
	if strings.ContainsAny(old, ",") {
		space = ""
	}
	return to[0].Op + space + to[0].Text
}

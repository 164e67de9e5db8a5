// Package remedy says what to type or change next about the errors of the rooms,
// which know nothing of commands, flags and recipes.
//
// Start at Text; what is said of each type of error is in the table rules.
package remedy

import (
	"fmt"
	"slices"
	"strings"
)

// Text is an error's own text with the remedy of each error in its tree behind
// that error's words. A remedy is given once.
func Text(err error) string {
	m := &message{text: err.Error()}
	m.walk(err)
	return m.text
}

// Of is what to do about an error, "" where nothing is known. Only the error
// itself is looked at, not what it wraps.
func Of(err error) string {
	var all []string
	for _, a := range advise(err) {
		all = append(all, a.text)
	}
	return strings.Join(all, "\n")
}

// With gives an error a remedy of its own in place of those in the table.
func With(err error, remedy string) error { return &advised{err, remedy} }

type advised struct {
	error
	remedy string
}

func (e *advised) Unwrap() error { return e.error }

// Known are the errors in the table, as "*index.GoneError" and "git.ErrOffline".
func Known() []string {
	var names []string
	for _, r := range rules {
		names = append(names, r.of)
	}
	return names
}

// advice is a remedy, and the words of a message that it belongs behind.
type advice struct{ after, text string }

// message is a text into which remedies are put.
type message struct {
	text  string
	given []string
}

func (m *message) walk(err error) {
	if own, ok := err.(*advised); ok { //nolint:errorlint // this very error, not what it wraps
		m.add(advice{own.Error(), own.remedy})
		return
	}
	for _, a := range advise(err) {
		m.add(a)
	}
	switch err := err.(type) { //nolint:errorlint // what it wraps is looked at in its turn
	case interface{ Unwrap() error }:
		if inner := err.Unwrap(); inner != nil {
			m.walk(inner)
		}
	case interface{ Unwrap() []error }:
		for _, inner := range err.Unwrap() {
			m.walk(inner)
		}
	}
}

// add puts a remedy behind the words that it belongs to, else at the end. One
// that is a list of lines begins on a line of its own.
func (m *message) add(a advice) {
	if slices.Contains(m.given, a.text) {
		return
	}
	m.given = append(m.given, a.text)
	if !strings.HasPrefix(a.text, "\n") {
		a.text = "; " + a.text
	}
	if i := strings.Index(m.text, a.after); i >= 0 && a.after != "" {
		i += len(a.after)
		m.text = m.text[:i] + a.text + m.text[i:]
		return
	}
	m.text += a.text
}

func advise(err error) []advice {
	for _, r := range rules {
		if all, ok := r.advise(err); ok {
			return all
		}
	}
	return nil
}

// rule gives advice about one type of error, or about one sentinel.
type rule struct {
	of     string // "*index.GoneError", "git.ErrOffline"
	advise func(error) ([]advice, bool)
	zero   error // an error of the type without content, for tests
}

// on is a rule for a type of error; "" is no advice.
func on[E error](zero E, say func(E) string) rule {
	return onList(zero, func(e E) []advice {
		if text := say(e); text != "" {
			return []advice{{e.Error(), text}}
		}
		return nil
	})
}

// onList is a rule for a type of error that lists several faults.
func onList[E error](zero E, list func(E) []advice) rule {
	return rule{fmt.Sprintf("%T", zero), func(err error) ([]advice, bool) {
		e, ok := err.(E) //nolint:errorlint // what it wraps is looked at in its turn
		if !ok {
			return nil, false
		}
		return list(e), true
	}, zero}
}

// at is a rule for a sentinel, whose name is that of its variable.
func at(name string, sentinel error, text string) rule {
	return rule{name, func(err error) ([]advice, bool) {
		return []advice{{sentinel.Error(), text}}, err == sentinel //nolint:errorlint // what it wraps is looked at in its turn
	}, sentinel}
}

package pyconst

import (
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/sparkwheel/sparkwheel/requirements/excerpt"
)

// value reads an expression of constants.
type value struct {
	text string
	at   int
}

// into puts the strings of the whole text below name.
func (v *value) into(name string, found map[string]string) error {
	if err := v.one(name, found); err != nil {
		return err
	}
	if v.peek() == ',' {
		return v.rest(name, found)
	}
	if v.peek() != 0 {
		return fmt.Errorf("%q is more than a constant", excerpt.Word(v.text))
	}
	return nil
}

// rest reads a tuple without parentheses, whose first element is read.
func (v *value) rest(name string, found map[string]string) error {
	first, ok := found[name]
	if !ok {
		return fmt.Errorf("%q is more than a constant", excerpt.Word(v.text))
	}
	delete(found, name)
	found[name+".0"] = first
	v.at++
	return v.elements(name, found, 1, 0)
}

func (v *value) peek() byte {
	for v.at < len(v.text) && strings.IndexByte(" \t\r\n\f", v.text[v.at]) >= 0 {
		v.at++
	}
	if v.at == len(v.text) {
		return 0
	}
	return v.text[v.at]
}

func (v *value) one(name string, found map[string]string) error {
	switch c := v.peek(); {
	case c == '"' || c == '\'' || v.prefixed():
		s, err := v.str()
		if err == nil {
			found[name] = s
		}
		return err
	case c == '(':
		return v.parenthesised(name, found)
	case c == '[':
		v.at++
		return v.elements(name, found, 0, ']')
	case c == '{':
		v.at++
		return v.dict(name, found)
	}
	return fmt.Errorf("%q is not a string, tuple, list or dict of them", excerpt.Word(v.text[v.at:]))
}

// prefixed is whether a raw or unicode string stands here; others (bytes,
// formatted ones) are no constant strings.
func (v *value) prefixed() bool {
	rest := v.text[v.at:]
	return len(rest) > 1 && strings.IndexByte("rRuU", rest[0]) >= 0 && strings.IndexByte("\"'", rest[1]) >= 0
}

// str reads one or several string literals that stand side by side.
func (v *value) str() (string, error) {
	var out strings.Builder
	for {
		c := v.peek()
		raw := false
		if c != '"' && c != '\'' {
			if !v.prefixed() {
				return out.String(), nil
			}
			raw = c == 'r' || c == 'R'
			v.at++
		}
		n, err := stringEnd(v.text[v.at:])
		if err != nil {
			return "", err
		}
		literal := v.text[v.at : v.at+n]
		v.at += n
		quote := 1
		if n >= 6 && (strings.HasPrefix(literal, `"""`) || strings.HasPrefix(literal, `'''`)) {
			quote = 3
		}
		body := literal[quote : n-quote]
		if !raw && strings.Contains(body, `\`) {
			return "", errors.New("a string with an escape")
		}
		out.WriteString(body)
	}
}

// parenthesised reads a tuple, or an expression in parentheses.
func (v *value) parenthesised(name string, found map[string]string) error {
	v.at++
	if v.peek() == ')' {
		v.at++
		return nil
	}
	inner := map[string]string{}
	if err := v.one(name, inner); err != nil {
		return err
	}
	switch v.peek() {
	case ')':
		v.at++
		maps.Copy(found, inner)
		return nil
	case ',':
		v.at++
		for k, s := range inner {
			found[name+".0"+strings.TrimPrefix(k, name)] = s
		}
		return v.elements(name, found, 1, ')')
	}
	return fmt.Errorf("%q is more than a constant", excerpt.Word(v.text))
}

// elements reads up to the bracket that closes them; 0 is the text's end.
func (v *value) elements(name string, found map[string]string, from int, end byte) error {
	for i := from; ; i++ {
		if v.peek() == end {
			if end != 0 {
				v.at++
			}
			return nil
		}
		if err := v.one(name+"."+strconv.Itoa(i), found); err != nil {
			return err
		}
		switch v.peek() {
		case ',':
			v.at++
		case end:
		default:
			return fmt.Errorf("%q is more than a constant", excerpt.Word(v.text))
		}
	}
}

func (v *value) dict(name string, found map[string]string) error {
	for {
		if v.peek() == '}' {
			v.at++
			return nil
		}
		if c := v.peek(); c != '"' && c != '\'' && !v.prefixed() {
			return fmt.Errorf("a dict's key %q is not a string", excerpt.Word(v.text[v.at:]))
		}
		key, err := v.str()
		if err != nil {
			return err
		}
		if v.peek() != ':' {
			return fmt.Errorf("%q is more than a constant", excerpt.Word(v.text))
		}
		v.at++
		if err := v.one(name+"."+key, found); err != nil {
			return err
		}
		switch v.peek() {
		case ',':
			v.at++
		case '}':
		default:
			return fmt.Errorf("%q is more than a constant", excerpt.Word(v.text))
		}
	}
}

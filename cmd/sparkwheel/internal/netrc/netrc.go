// Package netrc reads .netrc files, in which users keep the passwords of hosts
// for git, curl and pip alike.
package netrc

import "strings"

// Entry is what a file knows of one machine. Machine is empty for "default".
type Entry struct{ Machine, Login, Password string }

// File is a read .netrc, its entries in order.
type File []Entry

// Parse reads a .netrc: words parted by white space, # up to a line's end a
// comment where a keyword may stand, macros passed over. Words that it does not
// know are passed over too, as curl does, so no file is an error.
func Parse(src []byte) File {
	var f File
	w := words{rest: string(src)}
	for key := w.keyword(); key != ""; key = w.keyword() {
		switch key {
		case "machine":
			f = append(f, Entry{Machine: w.next()})
		case "default":
			f = append(f, Entry{})
		case "macdef":
			w.macro()
		case "login", "password", "account":
			value := w.next()
			if len(f) == 0 {
				continue
			}
			switch last := &f[len(f)-1]; key {
			case "login":
				last.Login = value
			case "password":
				last.Password = value
			}
		}
	}
	return f
}

// Lookup returns the first entry for a host, which may carry a port: an entry
// with that port is preferred to one for the host alone, and default comes last.
func (f File) Lookup(host string) (Entry, bool) {
	names := []string{host}
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		names = append(names, strings.Trim(host[:i], "[]"))
	}
	for _, name := range append(names, "") {
		for _, e := range f {
			if strings.EqualFold(e.Machine, name) && e.Password != "" {
				return e, true
			}
		}
	}
	return Entry{}, false
}

// words takes words off the front of rest.
type words struct{ rest string }

const blank = " \t\r\n"

func (w *words) keyword() string {
	for {
		w.rest = strings.TrimLeft(w.rest, blank)
		if !strings.HasPrefix(w.rest, "#") {
			return w.next()
		}
		_, w.rest, _ = strings.Cut(w.rest, "\n")
	}
}

// next is the next word; quotes keep blanks, a backslash the sign after it.
func (w *words) next() string {
	w.rest = strings.TrimLeft(w.rest, blank)
	if !strings.HasPrefix(w.rest, `"`) {
		end := strings.IndexAny(w.rest, blank)
		if end < 0 {
			end = len(w.rest)
		}
		word := w.rest[:end]
		w.rest = w.rest[end:]
		return word
	}
	var word strings.Builder
	for i := 1; i < len(w.rest); i++ {
		switch c := w.rest[i]; {
		case c == '\\' && i+1 < len(w.rest):
			i++
			word.WriteByte(w.rest[i])
		case c == '"':
			w.rest = w.rest[i+1:]
			return word.String()
		default:
			word.WriteByte(c)
		}
	}
	w.rest = ""
	return word.String()
}

// macro passes over a macro: up to an empty line.
func (w *words) macro() {
	for line := range strings.Lines(w.rest) {
		w.rest = w.rest[len(line):]
		if strings.Trim(line, blank) == "" {
			return
		}
	}
}

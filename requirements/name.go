// Package requirements reads and rewrites what Python projects require: names
// (PEP 503), requirements (PEP 508) and requirement files as pip reads them.
// Text goes in and text comes out; what is not changed stays byte for byte.
package requirements

import "strings"

// Name is the name of a distribution or an extra as PEP 503 folds it: lower
// case, runs of - _ and . as one dash. Make one with Normalize, so that two
// Names are equal when the index takes them for one distribution.
type Name string

// Normalize folds s. It does not judge s: a string that is no name gives a Name
// that matches no distribution.
func Normalize(s string) Name {
	var b strings.Builder
	dash := false
	for _, r := range strings.ToLower(s) {
		if r == '-' || r == '_' || r == '.' {
			if !dash {
				b.WriteByte('-')
			}
			dash = true
			continue
		}
		dash = false
		b.WriteRune(r)
	}
	return Name(b.String())
}

// Package requirements reads and rewrites what Python projects require: names
// (PEP 503), requirements (PEP 508) and requirement files as pip reads them.
// Text goes in and text comes out; what is not changed stays byte for byte.
package requirements

import "github.com/sparkwheel/sparkwheel/requirements/internal/name"

// Name is the name of a distribution or an extra as PEP 503 folds it: lower
// case, runs of - _ and . as one dash. Make one with Normalize, so that two
// Names are equal when the index takes them for one distribution.
type Name string

// Normalize folds s. It does not judge s: a string that is no name gives a Name
// that matches no distribution.
func Normalize(s string) Name { return Name(name.Fold(s)) }

// Package name folds the names of distributions and extras.
package name

import "strings"

// Fold is s as PEP 503 and PEP 685 fold it: lower case, runs of - _ and . as
// one dash. What is not a name is folded all the same.
func Fold(s string) string {
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
	return b.String()
}

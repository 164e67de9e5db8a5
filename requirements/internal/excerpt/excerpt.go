// Package excerpt shortens what a message quotes of a file that anybody may
// have written.
package excerpt

import "strings"

// Of is the beginning of s in one line of at most 40 bytes.
func Of(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > 40 {
		s = strings.ToValidUTF8(s[:37], "") + "..."
	}
	return s
}

package index

import (
	"regexp"
	"strings"
)

var separators = regexp.MustCompile(`[-_.]+`)

// normalize folds a distribution's name as PEP 503 says.
func normalize(s string) string {
	return strings.ToLower(separators.ReplaceAllString(strings.TrimSpace(s), "-"))
}

// Package git turns fixed git refs into commits and commits into trees, from
// bare mirrors that runs share.
//
// Start at Mirrors: Resolve says what a ref names now, Fetch brings one commit,
// Checkout writes its tree, Describe counts from the nearest tag.
package git

import (
	"fmt"
	"strings"
	"time"
)

// Source is what a recipe asks for: a repository and a ref that may move. Ref
// is a branch, a tag, a full or abbreviated (4 to 39 hex digits) commit SHA,
// "HEAD", or a name in full such as refs/pull/12/head.
type Source struct{ URL, Ref string }

// Commit is what a lock pins. Hash and Tree are 40 lower-case hex digits; Time
// is the committer's time in UTC, fit for SOURCE_DATE_EPOCH.
type Commit struct {
	Hash string
	Time time.Time
	Tree string
}

// RefError says that a ref names no commit of a repository. Candidates are the
// nearest names that it has, at most ten, best first.
type RefError struct {
	URL, Ref   string
	Candidates []string
}

func (e *RefError) Error() string {
	if len(e.Candidates) == 0 {
		return fmt.Sprintf("%s does not have the ref or commit %q", e.URL, e.Ref)
	}
	return fmt.Sprintf("%s does not have the ref or commit %q; it has %s", e.URL, e.Ref, strings.Join(e.Candidates, ", "))
}

// AmbiguousError says that a ref names more than one commit of a repository.
// Each candidate can be asked for as it stands: a ref in full or a full SHA.
type AmbiguousError struct {
	URL, Ref   string
	Candidates []string
}

func (e *AmbiguousError) Error() string {
	return fmt.Sprintf("%q is ambiguous in %s; choose from %s",
		e.Ref, e.URL, strings.Join(e.Candidates, ", "))
}

// isHex reports whether s is made of lower- or upper-case hex digits alone.
func isHex(s string) bool {
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
			return false
		}
	}
	return s != ""
}

func isSHA(s string) bool { return len(s) == 40 && isHex(s) }

// checkRef refuses what no git ref may hold before it reaches a server, a file
// name or a message. See git-check-ref-format(1).
func checkRef(ref string) error {
	switch {
	case ref == "":
		return fmt.Errorf("the ref is empty; give a branch, a tag or a commit SHA")
	case strings.HasPrefix(ref, "-"):
		return fmt.Errorf("the ref %q begins with a dash", ref)
	case strings.Contains(ref, ".."), strings.Contains(ref, "@{"), strings.HasSuffix(ref, ".lock"),
		strings.HasSuffix(ref, "/"), strings.HasSuffix(ref, "."), strings.Contains(ref, "//"):
		return fmt.Errorf("%q is not a name that git allows for a ref", ref)
	}
	for _, r := range ref {
		if r <= ' ' || r == 0x7f || strings.ContainsRune("~^:?*[\\", r) {
			return fmt.Errorf("%q is not a name that git allows for a ref", ref)
		}
	}
	return nil
}

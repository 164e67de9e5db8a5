package git

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Rewrite sends every URL that begins with Prefix to Base instead, as git's
// url.<base>.insteadOf does: of several rewrites, the longest prefix wins.
type Rewrite struct{ Prefix, Base string }

// SchemeError says that a URL is not one of https, http or ssh. Scheme is "file"
// for a local repository, which a Rewrite or Mirrors.Local would allow.
type SchemeError struct {
	URL    string // without credentials
	Scheme string
}

func (e *SchemeError) Error() string {
	if e.Scheme == "file" {
		return fmt.Sprintf("the git URL %q is a local file, which is never allowed", e.URL)
	}
	return fmt.Sprintf("the git URL %q is neither https, http nor ssh", e.URL)
}

// Rewritten returns the URL to dial for raw, and whether a rewrite chose it.
func Rewritten(raw string, rules []Rewrite) (string, bool) {
	best := -1
	for i, r := range rules {
		if strings.HasPrefix(raw, r.Prefix) && (best < 0 || len(r.Prefix) > len(rules[best].Prefix)) {
			best = i
		}
	}
	if best < 0 {
		return raw, false
	}
	return rules[best].Base + raw[len(rules[best].Prefix):], true
}

// checkURLText refuses forms that other programs would take for an option, a
// remote helper (ext::sh -c ...) or a second line.
func checkURLText(raw string) error {
	if raw == "" {
		return errors.New("is empty")
	}
	if strings.HasPrefix(raw, "-") {
		return errors.New("begins with a dash")
	}
	for _, c := range []byte(raw) {
		if c < ' ' || c == 0x7f || c == '\\' || c == ' ' && !IsPath(raw) {
			return errors.New("has a space, a backslash or a control character")
		}
	}
	if head, _, ok := strings.Cut(raw, "::"); ok && !strings.ContainsAny(head, "/[") {
		return fmt.Errorf("needs the remote helper %q, but remote helpers are never run", head)
	}
	return nil
}

// redact removes credentials from a URL for messages and for keys.
func redact(raw string) string {
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok {
		return raw
	}
	authority, tail := rest, ""
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		authority, tail = rest[:i], rest[i:]
	}
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		authority = authority[i+1:]
	}
	return scheme + "://" + authority + tail
}

// mirrorKey names the mirror of a URL: credentials, a trailing slash and a
// trailing .git do not make another repository.
func mirrorKey(raw string) string {
	sum := sha256.Sum256([]byte(strings.TrimSuffix(strings.TrimRight(redact(raw), "/"), ".git")))
	return hex.EncodeToString(sum[:16])
}

// relativeURL is the URL of a submodule as .gitmodules gives it, seen from the
// URL of the repository that holds it. Only forms beginning with ./ or ../ are
// relative, as gitmodules(5) has it.
func relativeURL(base, raw string) (string, error) {
	if !strings.HasPrefix(raw, "./") && !strings.HasPrefix(raw, "../") {
		return raw, nil
	}
	head, dir, root := "", "", ""
	if parts := scpLike.FindStringSubmatch(base); parts != nil && !strings.Contains(base, "://") {
		dir = parts[3]
		head = strings.TrimSuffix(base, dir)
	} else if u, err := url.Parse(base); err == nil && u.Scheme != "" {
		dir = u.EscapedPath()
		head = strings.TrimSuffix(u.String(), dir)
	} else {
		return "", fmt.Errorf("the submodule URL %q is relative to %q, which is not a URL", raw, redact(base))
	}
	if strings.HasPrefix(dir, "/") {
		root = "/"
	}
	names := strings.FieldsFunc(dir, func(r rune) bool { return r == '/' })
	rest := raw
	for {
		if next, ok := strings.CutPrefix(rest, "./"); ok {
			rest = next
			continue
		}
		next, ok := strings.CutPrefix(rest, "../")
		if !ok {
			break
		}
		if len(names) == 0 {
			return "", fmt.Errorf("the submodule URL %q leads above the root of %q", raw, redact(base))
		}
		names = names[:len(names)-1]
		rest = next
	}
	return head + root + strings.Join(append(names, rest), "/"), nil
}

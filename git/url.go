package git

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"path"
	"strings"
)

// Rewrite sends every URL that begins with Prefix to Base instead, as git's
// url.<base>.insteadOf does: of several rewrites, the longest prefix wins.
type Rewrite struct{ Prefix, Base string }

// SchemeError says that a URL is not one of https or http. Scheme is "file" for
// a local repository, which a Rewrite or Mirrors.AllowFile would allow.
type SchemeError struct {
	URL    string // without credentials
	Scheme string
}

func (e *SchemeError) Error() string {
	if e.Scheme == "file" {
		return fmt.Sprintf("the git URL %q is a local file, which nothing allows", e.URL)
	}
	return fmt.Sprintf("the git URL %q is neither https nor http", e.URL)
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

// dialURL is the checked URL that requests for raw go to. A file URL passes
// only when it was asked for, by AllowFile or by the base of a rewrite.
func (m *Mirrors) dialURL(raw string) (*url.URL, error) {
	if err := checkURLText(raw); err != nil {
		return nil, err
	}
	target, rewritten := Rewritten(raw, m.Rewrites)
	if err := checkURLText(target); err != nil {
		return nil, err
	}
	u, err := url.Parse(target)
	if err != nil {
		return nil, fmt.Errorf("the git URL %q cannot be read", redact(target))
	}
	for _, part := range strings.Split(u.Path, "/") {
		if part == ".." {
			return nil, fmt.Errorf("the git URL %q holds a .. segment", redact(target))
		}
	}
	switch u.Scheme {
	case "http", "https":
		if u.Hostname() == "" || strings.HasPrefix(u.Host, "-") {
			return nil, fmt.Errorf("the git URL %q names no host", redact(target))
		}
	case "file":
		if !m.AllowFile && !rewritten {
			return nil, &SchemeError{URL: redact(target), Scheme: u.Scheme}
		}
	default:
		return nil, &SchemeError{URL: redact(target), Scheme: u.Scheme}
	}
	return u, nil
}

// checkURLText refuses forms that other programs would take for an option, a
// remote helper (ext::sh -c ...) or a second line.
func checkURLText(raw string) error {
	if raw == "" {
		return fmt.Errorf("the git URL is empty")
	}
	if strings.HasPrefix(raw, "-") {
		return fmt.Errorf("the git URL %q begins with a dash", raw)
	}
	for _, c := range []byte(raw) {
		if c <= ' ' || c == 0x7f || c == '\\' {
			return fmt.Errorf("the git URL %q holds a space, a backslash or a control character", redact(raw))
		}
	}
	if head, _, ok := strings.Cut(raw, "::"); ok && !strings.ContainsAny(head, "/[") {
		return fmt.Errorf("the git URL %q asks for the remote helper %q, and none is ever run", redact(raw), head)
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
	u, err := url.Parse(base)
	if err != nil || u.Scheme == "" {
		return "", fmt.Errorf("the submodule URL %q is relative to %q, which is no URL", raw, redact(base))
	}
	dir := strings.TrimRight(u.Path, "/")
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
		if dir == "" || dir == "/" {
			return "", fmt.Errorf("the submodule URL %q leads above the root of %q", raw, redact(base))
		}
		dir = strings.TrimRight(path.Dir(dir), "/")
		rest = next
	}
	u.Path = dir + "/" + rest
	u.RawPath = ""
	return u.String(), nil
}

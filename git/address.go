package git

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
)

// address is where requests for a URL go.
type address struct {
	scheme string   // http, https, ssh or file
	url    *url.URL // of http and https
	host   string   // of ssh: a destination that ssh(1) understands
	path   string   // of ssh, as the other host reads it; of file, on this host
}

var (
	sshHost = regexp.MustCompile(`^(?:[A-Za-z0-9_][A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+\])$`)
	sshUser = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._+-]*$`)
	scpLike = regexp.MustCompile(`^(?:([^/@:]+)@)?(\[[^]/]+\]|[^/:@[]+):(.+)$`)
)

// address is the checked address that requests for raw go to. What is on this
// host passes only when it was asked for, by Local or by the base of a rewrite.
func (m *Mirrors) address(raw string) (address, error) {
	if err := checkURLText(raw); err != nil {
		return address{}, fmt.Errorf("the git URL %q %w", redact(raw), err)
	}
	target, rewritten := Rewritten(raw, m.Rewrites)
	if err := checkURLText(target); err != nil {
		return address{}, fmt.Errorf("the git URL %q %w", redact(target), err)
	}
	a, err := parseAddress(target)
	if err == nil && a.scheme == "file" {
		switch {
		case m.Local == "" && !rewritten, !filepath.IsAbs(a.path) && m.Local == "":
			err = &SchemeError{URL: redact(target), Scheme: "file"}
		case !filepath.IsAbs(a.path):
			a.path = filepath.Join(m.Local, a.path)
		}
	}
	if scheme, ok := errors.AsType[*SchemeError](err); ok {
		return address{}, scheme
	}
	if err != nil {
		return address{}, fmt.Errorf("the git URL %q %w", redact(target), err)
	}
	return a, nil
}

func parseAddress(target string) (address, error) {
	if IsPath(target) {
		return address{scheme: "file", path: filepath.Clean(target)}, nil
	}
	if parts := scpLike.FindStringSubmatch(target); parts != nil && !strings.Contains(target, "://") {
		return sshAddress(parts[1], parts[2], "", parts[3])
	}
	u, err := url.Parse(target)
	if err != nil {
		return address{}, errors.New("cannot be read")
	}
	for part := range strings.SplitSeq(u.Path, "/") {
		if part == ".." {
			return address{}, errors.New("has a .. segment")
		}
	}
	switch u.Scheme {
	case "http", "https":
		if u.Hostname() == "" || strings.HasPrefix(u.Host, "-") {
			return address{}, errors.New("has no host")
		}
		return address{scheme: u.Scheme, url: u}, nil
	case "ssh", "git+ssh", "ssh+git":
		if _, ok := u.User.Password(); ok {
			return address{}, errors.New("has a password, which ssh accepts only from its user")
		}
		host := u.Hostname()
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		path := u.Path
		if strings.HasPrefix(path, "/~") {
			path = path[1:]
		}
		return sshAddress(u.User.Username(), host, u.Port(), path)
	case "file":
		if u.Host != "" && u.Host != "localhost" || !filepath.IsAbs(u.Path) {
			return address{}, errors.New("has no absolute path")
		}
		return address{scheme: "file", path: u.Path}, nil
	}
	return address{}, &SchemeError{URL: redact(target), Scheme: u.Scheme}
}

// sshAddress checks what becomes an argument of ssh and a word of the command
// that the other host's shell is given.
func sshAddress(user, host, port, path string) (address, error) {
	switch {
	case !sshHost.MatchString(host):
		return address{}, errors.New("has no host")
	case user != "" && !sshUser.MatchString(user):
		return address{}, errors.New("has an invalid user")
	case path == "", path == "/", path[0] == '-':
		return address{}, errors.New("has no repository")
	}
	a := address{scheme: "ssh", host: host, path: path}
	if user != "" {
		a.host = user + "@" + host
	}
	if port != "" {
		a.host = "ssh://" + a.host + ":" + port
	} else {
		a.host = strings.NewReplacer("[", "", "]", "").Replace(a.host)
	}
	return a, nil
}

// IsPath reports whether a repository is named by a path, as git and pip take
// it: ".", "..", or what begins with "./", "../" or "/".
func IsPath(url string) bool {
	return url == "." || url == ".." || strings.HasPrefix(url, "./") || strings.HasPrefix(url, "../") || strings.HasPrefix(url, "/")
}

// isLocal reports whether a URL names a repository on this host.
func isLocal(url string) bool { return IsPath(url) || strings.HasPrefix(url, "file:") }

func fileURL(path string) string { return (&url.URL{Scheme: "file", Path: path}).String() }

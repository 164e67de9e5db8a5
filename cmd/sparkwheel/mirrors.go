package main

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/netrc"
	"github.com/sparkwheel/sparkwheel/git"
)

// gitMirrors are the store's git mirrors, with the rewrites of --mirror and the
// user's credentials.
func (a *app) gitMirrors() (*git.Mirrors, error) {
	m := &git.Mirrors{Dir: filepath.Join(a.store, "git"), Offline: a.offline, Credentials: a.gitCredentials(), Transport: a.network()}
	for _, flag := range a.mirrors {
		prefix, base, ok := strings.Cut(flag, "=")
		if !ok || prefix == "" || base == "" {
			return nil, usageErrorf("--mirror %q is not PREFIX=BASE, such as https://github.com/=http://127.0.0.1:8000/", flag)
		}
		m.Rewrites = append(m.Rewrites, git.Rewrite{Prefix: prefix, Base: base})
	}
	return m, nil
}

// gitCredentials answers from SPARKWHEEL_GIT_TOKEN_<HOST>, a bearer token, or
// with a colon in it USER:PASSWORD, where <HOST> is in capitals, with or
// without its port, and _ stands for every other sign; then, for github.com, from GITHUB_TOKEN; then from $NETRC
// or ~/.netrc. A file that cannot be read is as none.
func (a *app) gitCredentials() func(host string) (user, password string, ok bool) {
	file := a.netrc()
	return func(host string) (string, string, bool) {
		alone, _, _ := strings.Cut(host, ":")
		for _, name := range []string{host, alone} {
			token := a.Getenv("SPARKWHEEL_GIT_TOKEN_" + variable(name))
			if user, password, ok := strings.Cut(token, ":"); ok {
				return user, password, true
			}
			if token != "" {
				return "", token, true
			}
		}
		// GitHub takes its tokens as the password of any user.
		if token := a.Getenv("GITHUB_TOKEN"); token != "" && host == "github.com" {
			return "x-access-token", token, true
		}
		e, ok := file.Lookup(host)
		return e.Login, e.Password, ok
	}
}

// netrcPath is where the user keeps passwords of hosts; "" for nowhere.
func (a *app) netrcPath() string {
	if name := a.Getenv("NETRC"); name != "" || a.Getenv("HOME") == "" {
		return name
	}
	return filepath.Join(a.Getenv("HOME"), ".netrc")
}

func (a *app) netrc() netrc.File { return netrc.Parse(a.netrcText()) }

// netrcText is the user's .netrc; one that cannot be read is as none.
func (a *app) netrcText() []byte {
	text, _ := os.ReadFile(a.netrcPath())
	return text
}

// variable is a host as it stands in the name of an environment variable.
func variable(host string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		}
		return '_'
	}, host)
}

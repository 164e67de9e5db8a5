package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/netrc"
	"github.com/sparkwheel/sparkwheel/git"
	"github.com/sparkwheel/sparkwheel/layer/hosts"
)

// gitMirrors are the store's git mirrors, with the rewrites of --mirror, the
// user's credentials, and the user's own ssh and git.
func (a *app) gitMirrors() (*git.Mirrors, error) {
	ssh := &hosts.SSH{Env: os.Environ(), Program: a.Getenv("GIT_SSH"), Shell: a.Getenv("GIT_SSH_COMMAND")}
	m := &git.Mirrors{
		Dir: filepath.Join(a.store, "git"), Offline: a.offline, Credentials: a.gitCredentials(),
		Transport: a.network(), SSH: ssh.Pipe, Git: runGit,
	}
	for _, flag := range a.mirrors {
		prefix, base, ok := strings.Cut(flag, "=")
		if !ok || prefix == "" || base == "" {
			return nil, usageErrorf("--mirror %q is not PREFIX=BASE, such as https://github.com/=http://127.0.0.1:8000/", flag)
		}
		m.Rewrites = append(m.Rewrites, git.Rewrite{Prefix: prefix, Base: base})
	}
	return m, nil
}

// runGit runs the user's own git, by their configuration but for the repository
// that a hook or an alias may have named in the environment.
func runGit(ctx context.Context, c git.Call) error {
	env := slices.DeleteFunc(os.Environ(), func(v string) bool {
		key, _, _ := strings.Cut(v, "=")
		return slices.Contains([]string{
			"GIT_DIR", "GIT_COMMON_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY",
			"GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_PREFIX", "GIT_NAMESPACE", "GIT_SHALLOW_FILE",
		}, key)
	})
	env = append(append(env, "LC_ALL=C", "GIT_TERMINAL_PROMPT=0"), c.Env...)
	return hosts.Program{Args: append([]string{"git"}, c.Args...), Dir: c.Dir, Env: env, Stdin: c.Stdin, Stdout: c.Stdout}.Run(ctx)
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

// Package gittest serves repositories by the real `git http-backend`, for
// tests and for demonstrations on loopback.
package gittest

import (
	"errors"
	"net/http"
	"net/http/cgi"
	"os"
)

// ErrNoGit says that this host has no git to serve with.
var ErrNoGit = errors.New("git is not installed; install it by `apt-get install git`")

// Handler serves every repository below root over smart HTTP, read-only, by
// running git's own http-backend. What a repository allows is its own
// configuration: see uploadpack.allowFilter and
// uploadpack.allowAnySHA1InWant. The error is ErrNoGit.
func Handler(root string) (http.Handler, error) {
	for _, git := range []string{"/usr/bin/git", "/usr/local/bin/git", "/bin/git"} {
		if _, err := os.Stat(git); err == nil {
			return backend(git, root), nil
		}
	}
	return nil, ErrNoGit
}

func backend(git, root string) http.Handler {
	return &cgi.Handler{
		Path: git,
		Args: []string{"http-backend"},
		Root: "/",
		Env: []string{
			"GIT_PROJECT_ROOT=" + root,
			"GIT_HTTP_EXPORT_ALL=1",
			// The repositories may belong to another user than the server.
			"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*",
		},
	}
}

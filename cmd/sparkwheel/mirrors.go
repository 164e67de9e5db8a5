package main

import (
	"path/filepath"
	"strings"

	"github.com/sparkwheel/sparkwheel/git"
)

// gitMirrors are the store's git mirrors, with the rewrites of --mirror.
func (a *app) gitMirrors() (*git.Mirrors, error) {
	m := &git.Mirrors{Dir: filepath.Join(a.store, "git"), Offline: a.offline}
	for _, flag := range a.mirrors {
		prefix, base, ok := strings.Cut(flag, "=")
		if !ok || prefix == "" || base == "" {
			return nil, usageErrorf("--mirror %q is not PREFIX=BASE, such as https://github.com/=http://127.0.0.1:8000/", flag)
		}
		m.Rewrites = append(m.Rewrites, git.Rewrite{Prefix: prefix, Base: base})
	}
	return m, nil
}

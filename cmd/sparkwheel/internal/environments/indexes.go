package environments

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/remedy"
	"github.com/sparkwheel/sparkwheel/git"
	"github.com/sparkwheel/sparkwheel/requirements"
	"github.com/sparkwheel/sparkwheel/wheel/index"
)

// merged serves all indexes as one to uv, whose own way to pin a distribution
// to an index (tool.uv.sources) holds for direct requirements alone.
type merged struct {
	server *http.Server
	env    []string // what uv is told

	mu     sync.Mutex
	failed []string
}

// serveMerged begins to serve on loopback, under a path that nobody can guess:
// pages of indexes with passwords are not for this host's other users.
func serveMerged(env host.Env) (*merged, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // loopback answers at once
	if err != nil {
		return nil, fmt.Errorf("serving the recipe's indexes to uv: %w", err)
	}
	m := &merged{}
	secret := "/" + rand.Text()
	m.server = &http.Server{
		Handler: http.StripPrefix(secret, env.Index.Simple(func(name string, err error) {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.failed = append(m.failed, name+": "+remedy.Text(err))
		})),
		ReadHeaderTimeout: time.Minute,
	}
	go func() { _ = m.server.Serve(listener) }()
	for _, kv := range env.Network.Env {
		switch name, _, _ := strings.Cut(kv, "="); name {
		case "UV_DEFAULT_INDEX", "UV_INDEX_URL", "NO_PROXY", "no_proxy":
		default:
			m.env = append(m.env, kv)
		}
	}
	m.env = append(m.env, "UV_DEFAULT_INDEX=http://"+listener.Addr().String()+secret+"/simple/",
		"NO_PROXY="+noProxy(env.Network.Env), "no_proxy="+noProxy(env.Network.Env))
	return m, nil
}

func noProxy(env []string) string {
	hosts := []string{"127.0.0.1"}
	for _, kv := range env {
		if name, v, _ := strings.Cut(kv, "="); strings.EqualFold(name, "NO_PROXY") && !slices.Contains(hosts, v) {
			hosts = append(hosts, v)
		}
	}
	return strings.Join(hosts, ",")
}

// Close ends serving. What an index failed to answer is the cause behind uv's.
func (m *merged) Close() error { return m.server.Close() }

func (m *merged) explain(err error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err == nil || len(m.failed) == 0 {
		return err
	}
	return fmt.Errorf("%w\nan index failed: %s", err, host.Some(m.failed))
}

// writeNetrc leaves the user's passwords, and those of the recipe's indexes, for
// uv in a directory that goes when uv has ended.
func writeNetrc(env host.Env, r *recipe.Recipe, dir string) (bool, error) {
	text := string(env.Netrc)
	for _, x := range r.Indexes {
		user, password, ok := env.Password(x.Name)
		address, _ := git.Rewritten(x.URL, env.Mirrors.Rewrites)
		if u, err := url.Parse(address); ok && err == nil {
			text = fmt.Sprintf("machine %s login %s password %s\n", u.Hostname(), user, password) + text
		}
	}
	if text == "" {
		return false, nil
	}
	return true, os.WriteFile(filepath.Join(dir, "netrc"), []byte(text), 0o600)
}

// CameFrom says which distributions of the sets the recipe's indexes gave, and
// refuses one that they were to give and that another index gave.
func CameFrom(ctx context.Context, env host.Env, r *recipe.Recipe, sets []*recipe.LockedSet) ([]recipe.LockedIndex, error) {
	var out []recipe.LockedIndex
	for _, x := range r.Indexes {
		found := map[string]bool{}
		for _, d := range x.Distributions {
			name := string(requirements.Normalize(d))
			for _, set := range sets {
				has, err := givenBy(ctx, env, x, name, set)
				if err != nil {
					return nil, err
				}
				found[name] = found[name] || has
			}
		}
		maps.DeleteFunc(found, func(_ string, has bool) bool { return !has })
		out = append(out, recipe.LockedIndex{Name: x.Name, URL: x.URL, Distributions: slices.Sorted(maps.Keys(found))})
	}
	return out, nil
}

func givenBy(ctx context.Context, env host.Env, x recipe.Index, name string, set *recipe.LockedSet) (bool, error) {
	lock, err := index.ParsePylock(set.Pylock, set.Text)
	if err != nil {
		return false, err
	}
	i := slices.IndexFunc(lock.Packages, func(p index.Package) bool { return p.Name == name })
	if i < 0 {
		return false, nil
	}
	files, err := env.Index.Files(ctx, name)
	if err != nil {
		return false, err
	}
	for _, w := range lock.Packages[i].Wheels {
		if !slices.ContainsFunc(files, func(f index.File) bool {
			// Of a file without a sha256 the index can only say that it has it.
			return f.Name == w.Name && (f.SHA256 == w.SHA256 || f.SHA256 == "")
		}) {
			return false, fmt.Errorf("%s in %s came from %s, but the recipe takes %s from index %s (%s): unset UV_INDEX and UV_EXTRA_INDEX_URL, which take precedence",
				w.Name, set.Pylock, index.Redact(w.URL), name, x.Name, x.URL)
		}
	}
	return true, nil
}

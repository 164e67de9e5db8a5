package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/imagename"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
	"github.com/sparkwheel/sparkwheel/git"
	"github.com/sparkwheel/sparkwheel/wheel/index"
	"github.com/sparkwheel/sparkwheel/wheel/sandbox"
)

// openEnv lends this host to a run: its store, its network, its processors.
func (a *app) openEnv(reg *registryFlags) (host.Env, error) {
	s, err := store.Open(a.store)
	if err != nil {
		return host.Env{}, err
	}
	mirrors, err := a.gitMirrors()
	if err != nil {
		return host.Env{}, err
	}
	indexURL, err := a.userIndex()
	if err != nil {
		return host.Env{}, err
	}
	program, err := os.Executable()
	if err != nil {
		return host.Env{}, fmt.Errorf("finding this program: %w", err)
	}
	env := host.Env{
		Store:         s,
		Mirrors:       mirrors,
		Index:         a.indexClient(indexURL, mirrors.Rewrites),
		Host:          hostPlatform(),
		Sandbox:       sandbox.Namespaces,
		Network:       a.fetchNetwork(indexURL),
		Launcher:      program,
		Netrc:         a.netrcText(),
		IndexPassword: a.indexPassword,
		Offline:       a.offline,
		Runtimes:      a.localRuntimes(),
		Jobs:          a.jobs,
	}
	env.Registry, err = reg.client(a, env)
	return env, err
}

// indexClient brings files from indexes and by URL, both where --mirror sends
// them, with the passwords of the user's .netrc.
func (a *app) indexClient(url string, rewrites []git.Rewrite) *index.Client {
	file := a.netrc()
	return &index.Client{
		HTTP: &http.Client{Transport: a.network()}, Index: url, Offline: a.offline,
		Rewrite: func(url string) string {
			to, _ := git.Rewritten(url, rewrites)
			return to
		},
		Credentials: func(host string) (string, string, bool) {
			e, ok := file.Lookup(host)
			return e.Login, e.Password, ok
		},
	}
}

// indexPassword answers for a recipe's index as uv does for its own: by
// UV_INDEX_<NAME>_USERNAME and UV_INDEX_<NAME>_PASSWORD.
func (a *app) indexPassword(name string) (user, password string, ok bool) {
	user, password = a.Getenv("UV_INDEX_"+variable(name)+"_USERNAME"), a.Getenv("UV_INDEX_"+variable(name)+"_PASSWORD")
	return user, password, user != "" || password != ""
}

func hostPlatform() v1.Platform {
	return v1.Platform{OS: runtime.GOOS, Architecture: runtime.GOARCH}
}

// passed are the variables by which a user tells uv of indexes, proxies and
// certificates; uv sees no others of this host's.
var passed = []string{
	"UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_INDEX_STRATEGY", "UV_INSECURE_HOST", "UV_NATIVE_TLS", "UV_SYSTEM_CERTS",
	"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy",
}

// fetchNetwork is the network as uv needs it inside the sandbox: names are
// looked up and certificates trusted as on this host.
func (a *app) fetchNetwork(index string) host.Network {
	var f host.Network
	for _, k := range passed {
		if v := a.Getenv(k); v != "" {
			f.Env = append(f.Env, k+"="+v)
		}
	}
	if index != "" && a.Getenv("UV_DEFAULT_INDEX") == "" && a.Getenv("UV_INDEX_URL") == "" {
		f.Env = append(f.Env, "UV_DEFAULT_INDEX="+index)
	}
	for _, file := range []string{"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf"} {
		if real, err := filepath.EvalSymlinks(file); err == nil {
			f.Mounts = append(f.Mounts, sandbox.Mount{Source: real, Target: file})
		}
	}
	if ca := a.certificates(); ca != "" {
		f.Mounts = append(f.Mounts, sandbox.Mount{Source: ca, Target: "/build/ca.crt"})
		f.Env = append(f.Env, "SSL_CERT_FILE=/build/ca.crt")
	}
	return f
}

// userIndex is the Python index that the user's configuration of uv or pip
// names, "" for the public one.
func (a *app) userIndex() (string, error) {
	settings := index.Settings{
		UVDefaultIndex: a.Getenv("UV_DEFAULT_INDEX"), UVIndexURL: a.Getenv("UV_INDEX_URL"), PIPIndexURL: a.Getenv("PIP_INDEX_URL"),
	}
	for _, p := range index.PipConfPaths(a.Getenv("HOME"), a.Getenv("XDG_CONFIG_HOME"), a.Getenv("PIP_CONFIG_FILE")) {
		data, err := os.ReadFile(p)
		if err != nil {
			// As pip does: a file that is not there or not ours to read says nothing.
			continue
		}
		settings.PipConf = append(settings.PipConf, index.ConfFile{Name: p, Data: data})
	}
	url, from, err := settings.Index()
	if err != nil {
		return "", usageErrorf("%s: %w", from, err)
	}
	if url == index.Default {
		return "", nil
	}
	return url, nil
}

// certificates is the host's bundle of trusted certificates.
func (a *app) certificates() string {
	for _, p := range []string{a.Getenv("SSL_CERT_FILE"), "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"} {
		if p == "" {
			continue
		}
		if real, err := filepath.EvalSymlinks(p); err == nil {
			return real
		}
	}
	return ""
}

// loadRecipe is the recipe that the flags ask for, and what one run overrides.
func (a *app) loadRecipe() (*recipe.Recipe, error) {
	r, err := recipe.Load(a.recipeName())
	if err != nil {
		return nil, usageErrorf("%w", err)
	}
	return r, nil
}

// overrideFlags are --ref, --vllm-ref, --flashinfer-ref and --base.
type overrideFlags struct {
	refs             []string
	vllm, flashinfer string
	base             imagename.Name
}

func (f *overrideFlags) override() (recipe.Override, error) {
	o := recipe.Override{Refs: map[string]string{}, Base: f.base}
	for _, r := range f.refs {
		name, ref, ok := strings.Cut(r, "=")
		if !ok || name == "" || ref == "" {
			return o, usageErrorf("--ref %q is not NAME=REF, such as vllm=v0.22.1", r)
		}
		o.Refs[name] = ref
	}
	for name, ref := range map[string]string{"vllm": f.vllm, "flashinfer": f.flashinfer} {
		if ref == "" {
			continue
		}
		if other, ok := o.Refs[name]; ok && other != ref {
			return o, usageErrorf("--ref %s=%s and --%s-ref %s disagree", name, other, name, ref)
		}
		o.Refs[name] = ref
	}
	return o, nil
}

func isError[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// sandboxMode reads --sandbox.
func sandboxMode(s string) (sandbox.Mode, error) {
	switch m := sandbox.Mode(s); m {
	case sandbox.Namespaces, sandbox.None:
		return m, nil
	}
	return "", usageErrorf("--sandbox %q is neither namespaces nor none", s)
}

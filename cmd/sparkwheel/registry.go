package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/spf13/cobra"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/imagename"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/regular"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/layer/registry"
)

// registryFlags say how registries are reached.
type registryFlags struct {
	username      string
	passwordStdin bool
	plainHTTP     bool
	caCert        string
	clientCert    string
	clientKey     string
	mirrors       []string
	// host is the one registry that --username is for.
	host string
}

func (f *registryFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.username, "username", "", "user `NAME` at the registry (default from docker's or podman's configuration)")
	cmd.Flags().BoolVar(&f.passwordStdin, "password-stdin", false, "read the password from standard input")
	cmd.Flags().BoolVar(&f.plainHTTP, "plain-http", false, "use HTTP without TLS for registries (not needed on loopback)")
	cmd.Flags().StringVar(&f.caCert, "ca-cert", "", "also trust the certificate authorities in `FILE` (PEM)")
	cmd.Flags().StringVar(&f.clientCert, "client-cert", "", "client certificate `FILE` (PEM)")
	cmd.Flags().StringVar(&f.clientKey, "client-key", "", "private key `FILE` (PEM) of the client certificate")
	cmd.Flags().StringArrayVar(&f.mirrors, "registry-mirror", nil, "pull images of HOST from MIRROR first, `HOST=MIRROR`, such as docker.io=cache.local:5000 (repeatable)")
}

// loginAt names the registry of --username: that of the first reference that
// has one. A password goes to no other host.
func (f *registryFlags) loginAt(images ...imagename.Name) {
	for _, n := range images {
		if ref, err := n.Parsed(); err == nil && n.Remote() {
			f.host = ref.Context().RegistryStr()
			return
		}
	}
}

// client makes the registry client of a run; unfinished uploads are remembered
// in the store, so that a second push goes on where a killed one stood.
func (f *registryFlags) client(a *app, env host.Env) (*registry.Client, error) {
	opt := registry.Options{
		Transport: a.network(), PlainHTTP: f.plainHTTP, Jobs: min(a.jobs, 4),
		Sessions: env.Store.Path("uploads"), Now: time.Now, UserAgent: "sparkwheel/" + programVersion(),
	}
	var err error
	if f.caCert != "" || f.clientCert != "" || f.clientKey != "" {
		conf, err := f.tls()
		if err != nil {
			return nil, err
		}
		opt.Transport = newWire(conf)
	}
	if opt.Mirrors, err = f.mirrorMap(); err != nil {
		return nil, err
	}
	if opt.Keychain, err = f.keychain(a); err != nil {
		return nil, err
	}
	return registry.New(opt), nil
}

func (f *registryFlags) tls() (*tls.Config, error) {
	var ca []byte
	var certs []tls.Certificate
	var err error
	if f.caCert != "" {
		if ca, err = regular.Read(f.caCert); err != nil {
			return nil, usageErrorf("reading --ca-cert: %w", err)
		}
	}
	if (f.clientCert == "") != (f.clientKey == "") {
		return nil, usageErrorf("--client-cert and --client-key go together")
	}
	if f.clientCert != "" {
		cert, err := tls.LoadX509KeyPair(f.clientCert, f.clientKey)
		if err != nil {
			return nil, usageErrorf("reading --client-cert and --client-key: %w", err)
		}
		certs = append(certs, cert)
	}
	conf, err := registry.TLS(ca, certs...)
	if err != nil {
		return nil, usageErrorf("--ca-cert %s: %w", f.caCert, err)
	}
	return conf, nil
}

func (f *registryFlags) mirrorMap() (map[string]string, error) {
	mirrors := map[string]string{}
	for _, m := range f.mirrors {
		host, mirror, ok := strings.Cut(m, "=")
		if !ok || host == "" || mirror == "" {
			return nil, usageErrorf("--registry-mirror %q is not HOST=MIRROR, such as docker.io=mirror.local:5000", m)
		}
		mirrors[host] = mirror
	}
	return mirrors, nil
}

// keychain asks the name on the command line first, then the files in which
// docker, podman and skopeo keep logins, $REGISTRY_AUTH_FILE before all.
func (f *registryFlags) keychain(a *app) (authn.Keychain, error) {
	files := registry.AuthFiles(a.credentialHelpers().run, a.authFiles()...)
	if f.username == "" && !f.passwordStdin {
		return files, nil
	}
	if f.username == "" || !f.passwordStdin {
		return nil, usageErrorf("--username and --password-stdin go together")
	}
	if f.host == "" {
		return nil, usageErrorf("--username: nothing on the command line names a registry; log in to it with `docker login` or `podman login`")
	}
	password, err := io.ReadAll(io.LimitReader(a.Stdin, 1<<16))
	if err != nil {
		return nil, fmt.Errorf("reading the password: %w", err)
	}
	return registry.Login(f.host, f.username, strings.TrimRight(string(password), "\r\n"), files), nil
}

func (a *app) authFiles() []string {
	files := []string{a.Getenv("REGISTRY_AUTH_FILE")}
	add := func(dir string, rest ...string) {
		if dir != "" {
			files = append(files, filepath.Join(append([]string{dir}, rest...)...))
		}
	}
	add(a.Getenv("XDG_RUNTIME_DIR"), "containers", "auth.json")
	add(a.Getenv("XDG_CONFIG_HOME"), "containers", "auth.json")
	add(a.Getenv("HOME"), ".config", "containers", "auth.json")
	add(a.Getenv("DOCKER_CONFIG"), "config.json")
	if a.Getenv("DOCKER_CONFIG") == "" {
		add(a.Getenv("HOME"), ".docker", "config.json")
	}
	if files[0] == "" {
		files = files[1:]
	}
	return files
}

// registryImage is what a push goes to, as an image's name.
func registryImage(target string) imagename.Name {
	return imagename.Name{Transport: imagename.Registry, Reference: target}
}

// pushTarget reads the IMAGE that a push goes to.
func pushTarget(target string) (name.Tag, error) {
	n, err := imagename.Parse(target)
	if err == nil && !n.Remote() {
		return name.Tag{}, usageErrorf("%q is not an image in a registry, which a push needs", target)
	}
	if err != nil {
		return name.Tag{}, usageErrorf("%w", err)
	}
	tag, err := name.NewTag(target)
	if err != nil {
		return tag, usageErrorf("%q is not an image to push to: %w", target, err)
	}
	return tag, nil
}

// push sends an image to target and shows each of its blobs.
func (a *app) push(ctx context.Context, env host.Env, target string, img v1.Image) (registry.Pushed, error) {
	tag, err := pushTarget(target)
	if err != nil {
		return registry.Pushed{}, err
	}
	bars := newPushBars(a.display())
	g := &stage.Graph{Logs: a.logs(env), Clock: time.Now}
	s := stage.Add(g, "push", func(ctx context.Context, _ *stage.Run) (registry.Pushed, error) {
		return bars.push(ctx, env.Registry, tag, img)
	})
	err = g.Run(ctx, a.jobs, bars)
	if err = errors.Join(err, bars.display.Close()); err != nil {
		return registry.Pushed{}, err
	}
	return s.Value(), nil
}

package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/spf13/cobra"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/pipeline"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/layer/registry"
)

// registryFlags say how registries are reached.
type registryFlags struct {
	username      string
	passwordStdin bool
	plainHTTP     bool
	caCert        string
	mirrors       []string
}

func (f *registryFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.username, "username", "", "`NAME` at the registry (default by docker's or podman's configuration)")
	cmd.Flags().BoolVar(&f.passwordStdin, "password-stdin", false, "read the password from standard input")
	cmd.Flags().BoolVar(&f.plainHTTP, "plain-http", false, "speak HTTP without TLS (never needed on loopback)")
	cmd.Flags().StringVar(&f.caCert, "ca-cert", "", "trust the authorities in `FILE` (PEM) too")
	cmd.Flags().StringArrayVar(&f.mirrors, "registry-mirror", nil, "pull `HOST=MIRROR` from a mirror first (repeatable)")
}

// client makes the registry client of a run; unfinished uploads are remembered
// in the store, so that a second push goes on where a killed one stood.
func (f *registryFlags) client(a *app, env pipeline.Env) (*registry.Client, error) {
	opt := registry.Options{
		Keychain: authn.DefaultKeychain, PlainHTTP: f.plainHTTP, Jobs: max(a.jobs, 4),
		Sessions: env.Store.Path("uploads"), Now: time.Now, UserAgent: "sparkwheel/" + programVersion(),
	}
	if f.caCert != "" {
		pem, err := os.ReadFile(f.caCert)
		if err != nil {
			return nil, fmt.Errorf("reading --ca-cert: %w", err)
		}
		if opt.TLS, err = registry.TLS(pem); err != nil {
			return nil, usageErrorf("--ca-cert %s: %w", f.caCert, err)
		}
	}
	for _, m := range f.mirrors {
		host, mirror, ok := strings.Cut(m, "=")
		if !ok || host == "" || mirror == "" {
			return nil, usageErrorf("--registry-mirror %q is not HOST=MIRROR, such as docker.io=mirror.local:5000", m)
		}
		if opt.Mirrors == nil {
			opt.Mirrors = map[string]string{}
		}
		opt.Mirrors[host] = mirror
	}
	if f.username != "" || f.passwordStdin {
		if f.username == "" || !f.passwordStdin {
			return nil, usageErrorf("--username and --password-stdin go together")
		}
		password, err := io.ReadAll(io.LimitReader(a.Stdin, 1<<16))
		if err != nil {
			return nil, fmt.Errorf("reading the password: %w", err)
		}
		opt.Keychain = fixedKeychain{f.username, strings.TrimRight(string(password), "\r\n")}
	}
	return registry.New(opt), nil
}

// fixedKeychain gives one name and password to whatever registry is asked;
// commands with a name on the command line speak to one registry.
type fixedKeychain struct{ username, password string }

func (k fixedKeychain) Resolve(authn.Resource) (authn.Authenticator, error) {
	return &authn.Basic{Username: k.username, Password: k.password}, nil
}

// push sends an image to target, showing a stage with its bytes.
func (a *app) push(ctx context.Context, env pipeline.Env, target string, img v1.Image) (registry.Pushed, error) {
	tag, err := name.NewTag(target)
	if err != nil {
		return registry.Pushed{}, usageErrorf("%q is no image to push to: %w", target, err)
	}
	g := &stage.Graph{Logs: a.logs(env), Clock: time.Now}
	s := stage.Add(g, "push", func(ctx context.Context, run *stage.Run) (registry.Pushed, error) {
		pushed, err := env.Registry.Push(ctx, tag, img, pipeline.PushProgress(run))
		if err != nil {
			return pushed, fmt.Errorf("pushing %s: %w", tag, err)
		}
		return pushed, nil
	})
	if err := a.runGraph(ctx, g); err != nil {
		return registry.Pushed{}, err
	}
	return s.Value(), nil
}

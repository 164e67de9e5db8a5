package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/docker/cli/cli/config"
	"github.com/docker/cli/cli/config/configfile"
	"github.com/docker/cli/cli/config/types"
	"github.com/google/go-containerregistry/pkg/authn"
)

// Login is a keychain that knows one name and password, for one registry host;
// it asks next, which may be nil, about every other.
func Login(host, username, password string, next authn.Keychain) authn.Keychain {
	return login{host, username, password, next}
}

type login struct {
	host, username, password string
	next                     authn.Keychain
}

var _ authn.ContextKeychain = login{}

func (l login) Resolve(r authn.Resource) (authn.Authenticator, error) {
	return l.ResolveContext(context.Background(), r)
}

func (l login) ResolveContext(ctx context.Context, r authn.Resource) (authn.Authenticator, error) {
	if r.RegistryStr() == l.host {
		return &authn.Basic{Username: l.username, Password: l.password}, nil
	}
	if l.next == nil {
		return authn.Anonymous, nil
	}
	return authn.Resolve(ctx, l.next, r)
}

// A Helper runs docker-credential-NAME with the argument "get" and input on
// its stdin, and returns what it wrote to stdout. It bounds how long that takes
// and how much it is, and ends with ctx.
type Helper func(ctx context.Context, name, input string) (output []byte, err error)

// HelperError says that a credential helper could not be asked about a host,
// or what it said instead of an answer.
type HelperError struct {
	Program, Host string
	Err           error
}

func (e *HelperError) Error() string {
	return fmt.Sprintf("querying %s for %s: %s", e.Program, e.Host, e.Err)
}

func (e *HelperError) Unwrap() error { return e.Err }

// AuthFiles is a keychain over files in the format of docker's config.json,
// which podman's auth.json shares: the first that knows the host is taken,
// by the credential helper that it names, if any. A file that does not exist is
// passed over; one that cannot be read, or a helper that fails, is an error (a
// *HelperError) and never anonymous. The files are read at each question.
func AuthFiles(helper Helper, files ...string) authn.Keychain { return authFiles{helper, files} }

type authFiles struct {
	helper Helper
	files  []string
}

var _ authn.ContextKeychain = authFiles{}

func (a authFiles) Resolve(r authn.Resource) (authn.Authenticator, error) {
	return a.ResolveContext(context.Background(), r)
}

func (a authFiles) ResolveContext(ctx context.Context, r authn.Resource) (authn.Authenticator, error) {
	for _, file := range a.files {
		found, err := a.inFile(ctx, file, r)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", file, err)
		}
		if found != (authn.AuthConfig{}) {
			return authn.FromConfig(found), nil
		}
	}
	return authn.Anonymous, nil
}

func (a authFiles) inFile(ctx context.Context, file string, r authn.Resource) (none authn.AuthConfig, err error) {
	f, err := os.Open(file)
	if err != nil {
		return none, err
	}
	defer f.Close()
	conf, err := config.LoadFromReader(f)
	if err != nil {
		return none, err
	}
	for _, key := range []string{r.String(), r.RegistryStr()} {
		if key == "index.docker.io" {
			key = authn.DefaultAuthKey
		}
		// The helper for all knows hosts alone.
		helper := conf.CredentialHelpers[key]
		if helper == "" && key != r.String() {
			helper = conf.CredentialsStore
		}
		got, err := a.lookUp(ctx, conf, helper, key)
		if err != nil || got != none {
			return got, err
		}
	}
	return none, nil
}

// lookUp asks the helper, if there is one, else the file.
func (a authFiles) lookUp(ctx context.Context, conf *configfile.ConfigFile, helper, key string) (none authn.AuthConfig, err error) {
	if helper != "" {
		return a.ask(ctx, helper, key)
	}
	alone := &configfile.ConfigFile{AuthConfigs: conf.AuthConfigs}
	got, err := alone.GetAuthConfig(key)
	if err != nil {
		return none, err
	}
	got.ServerAddress = "" // always set, also when nothing was found
	if got == (types.AuthConfig{}) {
		return none, nil
	}
	return authn.AuthConfig{
		Username: got.Username, Password: got.Password, Auth: got.Auth,
		IdentityToken: got.IdentityToken, RegistryToken: got.RegistryToken,
	}, nil
}

// ask speaks the protocol of docker's credential helpers: the server in, JSON
// or "credentials not found" out.
func (a authFiles) ask(ctx context.Context, name, key string) (none authn.AuthConfig, err error) {
	program := "docker-credential-" + name
	if strings.ContainsAny(name, "/\x00") {
		return none, &HelperError{fmt.Sprintf("%q", program), key, errors.New("not the name of a program")}
	}
	if a.helper == nil {
		return none, &HelperError{program, key, errors.New("no credential helper can be run here")}
	}
	out, err := a.helper(ctx, name, key)
	if text := strings.TrimSpace(string(out)); strings.HasPrefix(text, "credentials not found") {
		return none, nil
	}
	if err != nil {
		return none, &HelperError{program, key, err}
	}
	var got struct{ Username, Secret string }
	if json.Unmarshal(out, &got) != nil {
		return none, &HelperError{program, key, errors.New("its answer is not JSON")}
	}
	if got.Username == "<token>" { // an OAuth2 refresh token
		return authn.AuthConfig{IdentityToken: got.Secret}, nil
	}
	return authn.AuthConfig{Username: got.Username, Password: got.Secret}, nil
}

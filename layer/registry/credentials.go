package registry

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/docker/cli/cli/config"
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

func (l login) Resolve(r authn.Resource) (authn.Authenticator, error) {
	if r.RegistryStr() == l.host {
		return &authn.Basic{Username: l.username, Password: l.password}, nil
	}
	if l.next == nil {
		return authn.Anonymous, nil
	}
	return l.next.Resolve(r)
}

// AuthFiles is a keychain over files in the format of docker's config.json,
// which podman's auth.json shares: the first that knows the host is taken,
// with its credential helper if it names one. A file that does not exist is
// passed over; one that cannot be read, or a helper that is missing, is an
// error and never anonymous. The files are read at each question.
func AuthFiles(files ...string) authn.Keychain { return authFiles(files) }

type authFiles []string

func (a authFiles) Resolve(r authn.Resource) (authn.Authenticator, error) {
	for _, file := range a {
		found, err := inFile(file, r)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", file, err)
		}
		if found != authn.Anonymous {
			return found, nil
		}
	}
	return authn.Anonymous, nil
}

func inFile(file string, r authn.Resource) (authn.Authenticator, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	conf, err := config.LoadFromReader(f)
	if err != nil {
		return nil, err
	}
	for _, key := range []string{r.String(), r.RegistryStr()} {
		if key == "index.docker.io" {
			key = authn.DefaultAuthKey
		}
		got, err := conf.GetAuthConfig(key)
		if err != nil {
			return nil, fmt.Errorf("asking the credential helper for %s: %w", r.RegistryStr(), err)
		}
		got.ServerAddress = "" // always set, also when nothing was found
		if got != (types.AuthConfig{}) {
			return authn.FromConfig(authn.AuthConfig{
				Username: got.Username, Password: got.Password, Auth: got.Auth,
				IdentityToken: got.IdentityToken, RegistryToken: got.RegistryToken,
			}), nil
		}
	}
	return authn.Anonymous, nil
}

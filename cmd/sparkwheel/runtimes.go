package main

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"

	"github.com/sparkwheel/sparkwheel/layer/hosts"
)

// localRuntimes are the docker, podman and containerd of this host, as their own
// clients would find them. What is wrong with docker's settings is an error of
// those who ask it.
func (a *app) localRuntimes() *hosts.Local {
	client, address, err := a.dockerClient()
	if err != nil {
		client, address = &http.Client{Transport: failing{err}}, "http://docker"
	}
	return &hosts.Local{Env: os.Environ(), Docker: client, DockerURL: address}
}

// failing is a transport that carries nothing.
type failing struct{ err error }

func (f failing) RoundTrip(*http.Request) (*http.Response, error) { return nil, f.err }

// dockerClient reaches docker where DOCKER_HOST, or the context in use, says.
func (a *app) dockerClient() (*http.Client, string, error) {
	where, err := a.dockerHost()
	if err != nil {
		return nil, "", err
	}
	u, err := url.Parse(where)
	if err != nil {
		return nil, "", fmt.Errorf("docker's host %q: %w", where, err)
	}
	t := &http.Transport{DisableCompression: true}
	switch u.Scheme {
	case "unix":
		t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", u.Path)
		}
		return &http.Client{Transport: t}, "http://docker", nil
	case "tcp", "http":
		if a.Getenv("DOCKER_TLS_VERIFY") == "" {
			return &http.Client{Transport: t}, "http://" + u.Host, nil
		}
		if t.TLSClientConfig, err = a.dockerTLS(); err != nil {
			return nil, "", fmt.Errorf("docker's certificates: %w", err)
		}
		return &http.Client{Transport: t}, "https://" + u.Host, nil
	}
	return nil, "", fmt.Errorf("docker's host %q is neither unix:// nor tcp://: save the image there with `docker save` and name the file as docker-archive:FILE", where)
}

// dockerHost is docker's address: DOCKER_HOST, the host of the context in use, or
// docker's own default.
func (a *app) dockerHost() (string, error) {
	const usual = "unix:///var/run/docker.sock"
	if where := a.Getenv("DOCKER_HOST"); where != "" {
		return where, nil
	}
	dir := a.Getenv("DOCKER_CONFIG")
	if dir == "" {
		dir = filepath.Join(a.Getenv("HOME"), ".docker")
	}
	name := a.Getenv("DOCKER_CONTEXT")
	if name == "" {
		var config struct{ CurrentContext string }
		if err := readJSON(filepath.Join(dir, "config.json"), &config); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		name = config.CurrentContext
	}
	if name == "" || name == "default" {
		return usual, nil
	}
	sum := sha256.Sum256([]byte(name))
	var meta struct {
		Endpoints struct{ Docker struct{ Host string } }
	}
	if err := readJSON(filepath.Join(dir, "contexts", "meta", hex.EncodeToString(sum[:]), "meta.json"), &meta); err != nil {
		return "", fmt.Errorf("docker's context %q: %w", name, err)
	}
	if meta.Endpoints.Docker.Host == "" {
		return usual, nil
	}
	return meta.Endpoints.Docker.Host, nil
}

func readJSON(path string, into any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("reading %s: %w", path, err)
	}
	return nil
}

// dockerTLS is what DOCKER_CERT_PATH holds, as docker reads it.
func (a *app) dockerTLS() (*tls.Config, error) {
	dir := a.Getenv("DOCKER_CERT_PATH")
	if dir == "" {
		dir = filepath.Join(a.Getenv("HOME"), ".docker")
	}
	pem, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", filepath.Join(dir, "ca.pem"))
	}
	own, err := tls.LoadX509KeyPair(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
	if err != nil {
		return nil, err
	}
	return &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{own}, MinVersion: tls.VersionTLS12}, nil
}

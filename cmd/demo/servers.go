package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"

	"github.com/sparkwheel/sparkwheel/git/gittest"
)

// server is an HTTP server on a loopback port of the system's choice.
type server struct {
	address string // 127.0.0.1:PORT
	http    *http.Server
	done    chan error
}

func start(h http.Handler) (*server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // loopback answers at once
	if err != nil {
		return nil, err
	}
	s := &server{address: l.Addr().String(), http: &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}, done: make(chan error, 1)}
	go func() { s.done <- s.http.Serve(l) }()
	return s, nil
}

// stop ends the server and waits until nothing of it runs.
func (s *server) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if served := <-s.done; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// gitHandler serves the bare repositories below dir by git's own
// http-backend. OWNER/NAME and OWNER/NAME.git are the same, as on forges.
func gitHandler(dir string) (http.Handler, error) {
	backend, err := gittest.Handler(dir)
	if err != nil {
		return nil, err
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		parts := strings.SplitN(strings.TrimPrefix(path.Clean(r.URL.Path), "/"), "/", 3)
		if len(parts) < 3 {
			http.NotFound(w, r)
			return
		}
		parts[1] = strings.TrimSuffix(parts[1], ".git") + ".git"
		if _, err := os.Stat(filepath.Join(dir, parts[0], parts[1])); err != nil {
			http.NotFound(w, r)
			return
		}
		// CGI needs a length, which git does not send for long requests.
		if r.ContentLength < 0 {
			body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64<<20))
			if err != nil {
				http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
				return
			}
			r.Body, r.ContentLength, r.TransferEncoding = io.NopCloser(bytes.NewReader(body)), int64(len(body)), nil
		}
		r.URL.Path, r.URL.RawPath = "/"+strings.Join(parts, "/"), ""
		backend.ServeHTTP(w, r)
	}), nil
}

// registryHandler is a registry whose blobs lie below dir; its manifests live
// as long as it does.
func registryHandler(dir string) http.Handler {
	return registry.New(
		registry.WithBlobHandler(registry.NewDiskBlobHandler(dir)),
		registry.Logger(log.New(io.Discard, "", 0)),
	)
}

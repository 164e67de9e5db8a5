package registrytest

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// Strict is a registry in memory that keeps every byte of an upload that
// was cut off and tells how many it has, as zot does and neither of the two
// real registries of these tests: docker-registry 2.8 refuses a session after
// a cut chunk, go-containerregistry's forgets the chunk and has no status.
type Strict struct {
	mu        sync.Mutex
	blobs     map[string][]byte
	manifests map[string][]byte
	media     map[string]string
	uploads   map[string]*session
	opened    int
	Minimum   int // OCI-Chunk-Min-Length, enforced
}

// session is an upload; one request at a time changes it.
type session struct {
	mu sync.Mutex
	bytes.Buffer
}

// InMemory starts a Strict and returns its address.
func InMemory(t testing.TB) string {
	t.Helper()
	return Serve(t, NewStrict())
}

// NewStrict returns an empty registry.
func NewStrict() *Strict {
	return &Strict{
		blobs: map[string][]byte{}, manifests: map[string][]byte{}, media: map[string]string{},
		uploads: map[string]*session{},
	}
}

func (s *Strict) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, "/v2/")
	switch {
	case strings.Contains(path, "/blobs/uploads/"):
		s.upload(w, r, path)
	case strings.Contains(path, "/blobs/"):
		s.mu.Lock()
		b, ok := s.blobs[path[strings.LastIndexByte(path, '/')+1:]]
		s.mu.Unlock()
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(b)))
		if r.Method == http.MethodGet {
			w.Write(b)
		}
	default:
		s.manifest(w, r, path)
	}
}

func digestBytes(b []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(b)) }

func (s *Strict) manifest(w http.ResponseWriter, r *http.Request, path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Method == http.MethodPut {
		s.manifests[path], _ = io.ReadAll(r.Body)
		s.media[path] = r.Header.Get("Content-Type")
		w.WriteHeader(http.StatusCreated)
		return
	}
	b, ok := s.manifests[path]
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", s.media[path])
	w.Write(b)
}

func (s *Strict) upload(w http.ResponseWriter, r *http.Request, path string) {
	id := path[strings.LastIndexByte(path, '/')+1:]
	s.mu.Lock()
	if r.Method == http.MethodPost {
		s.opened++
		id = fmt.Sprint(s.opened)
		s.uploads[id] = &session{}
		path += id
		if s.Minimum > 0 {
			w.Header().Set("OCI-Chunk-Min-Length", fmt.Sprint(s.Minimum))
		}
	}
	buf := s.uploads[id]
	s.mu.Unlock()
	if buf == nil {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	buf.mu.Lock()
	defer buf.mu.Unlock()
	switch r.Method {
	case http.MethodPost:
		s.answer(w, path, buf, http.StatusAccepted)
	case http.MethodGet:
		s.answer(w, path, buf, http.StatusNoContent)
	case http.MethodPatch:
		if cr := r.Header.Get("Content-Range"); cr != "" && !strings.HasPrefix(cr, fmt.Sprintf("%d-", buf.Len())) {
			s.answer(w, path, buf, http.StatusRequestedRangeNotSatisfiable)
			return
		}
		if s.Minimum > 0 && r.ContentLength < int64(s.Minimum) && buf.Len() == 0 {
			w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
			return
		}
		_, err := io.Copy(buf, r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		s.answer(w, path, buf, http.StatusAccepted)
	case http.MethodPut:
		io.Copy(buf, r.Body)
		want := r.URL.Query().Get("digest")
		if digestBytes(buf.Bytes()) != want {
			w.WriteHeader(http.StatusBadRequest)
			io.WriteString(w, `{"errors":[{"code":"DIGEST_INVALID","message":"bytes and digest differ"}]}`)
			return
		}
		s.mu.Lock()
		s.blobs[want] = buf.Bytes()
		delete(s.uploads, id)
		s.mu.Unlock()
		w.Header().Set("Docker-Content-Digest", want)
		w.WriteHeader(http.StatusCreated)
	}
}

func (s *Strict) answer(w http.ResponseWriter, path string, buf *session, status int) {
	w.Header().Set("Location", "/v2/"+path)
	w.Header().Set("Range", fmt.Sprintf("0-%d", max(0, buf.Len()-1)))
	w.WriteHeader(status)
}

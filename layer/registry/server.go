package registry

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// ServeHTTP answers the pull half of the distribution spec: manifests, blobs
// by range, tags and referrers. Anything that would write is refused with 405.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		refuse(w, http.StatusMethodNotAllowed, "UNSUPPORTED", "this registry is read-only")
		return
	}
	path, ok := strings.CutPrefix(r.URL.Path, "/v2/")
	switch {
	case r.URL.Path == "/v2" || ok && path == "":
		answer(w, r, "application/json", []byte("{}"))
	case ok && path == "_catalog":
		s.catalog(w, r)
	case ok:
		s.repository(w, r, path)
	default:
		http.NotFound(w, r)
	}
}

// repository splits NAME/KIND/REST from the right: a name may hold any of the
// words that stand for a kind.
func (s *Server) repository(w http.ResponseWriter, r *http.Request, path string) {
	repo, rest := path, ""
	i := strings.LastIndexByte(path, '/')
	if i > 0 {
		repo, rest = path[:i], path[i+1:]
	}
	i = strings.LastIndexByte(repo, '/')
	if i <= 0 || rest == "" {
		refuse(w, http.StatusNotFound, "NAME_UNKNOWN", "unknown path")
		return
	}
	repo, kind := repo[:i], repo[i+1:]
	c := s.find(repo)
	if c == nil {
		refuse(w, http.StatusNotFound, "NAME_UNKNOWN", "unknown repository")
		return
	}
	switch {
	case kind == "manifests":
		c.serveManifest(w, r, rest)
	case kind == "blobs":
		c.serveBlob(w, r, rest)
	case kind == "tags" && rest == "list":
		c.serveTags(w, r, repo)
	case kind == "referrers":
		c.serveReferrers(w, r, rest)
	default:
		refuse(w, http.StatusNotFound, "UNSUPPORTED", "unknown path")
	}
}

func (c *contents) serveManifest(w http.ResponseWriter, r *http.Request, id string) {
	if h, ok := c.tags[id]; ok {
		id = h.String()
	}
	m, ok := c.manifests[id]
	if !ok {
		refuse(w, http.StatusNotFound, "MANIFEST_UNKNOWN", "unknown manifest")
		return
	}
	w.Header().Set("Docker-Content-Digest", id)
	w.Header().Set("ETag", strconv.Quote(id))
	answer(w, r, string(m.media), m.body)
}

func (c *contents) serveBlob(w http.ResponseWriter, r *http.Request, id string) {
	b, ok := c.blobs[id]
	if !ok {
		refuse(w, http.StatusNotFound, "BLOB_UNKNOWN", "unknown blob")
		return
	}
	h := w.Header()
	h.Set("Docker-Content-Digest", id)
	h.Set("ETag", strconv.Quote(id))
	h.Set("Content-Type", "application/octet-stream")
	if r.Method == http.MethodHead {
		h.Set("Accept-Ranges", "bytes")
		h.Set("Content-Length", strconv.FormatInt(b.size, 10))
		return
	}
	body, err := b.open()
	if err != nil {
		refuse(w, http.StatusInternalServerError, "UNKNOWN", "the blob cannot be read")
		return
	}
	defer body.Close()
	if seeker, ok := body.(io.ReadSeeker); ok {
		// Knows every form of range, and sends a file without copying it.
		http.ServeContent(w, r, "", time.Time{}, seeker)
		return
	}
	serveStream(w, r, body, b.size)
}

// serveStream serves one range of a blob that can only be read from its start.
func serveStream(w http.ResponseWriter, r *http.Request, body io.Reader, size int64) {
	from, to, ranged := byteRange(r.Header.Get("Range"), size)
	h := w.Header()
	h.Set("Accept-Ranges", "bytes")
	if ranged && from >= size {
		h.Set("Content-Range", fmt.Sprintf("bytes */%d", size))
		refuse(w, http.StatusRequestedRangeNotSatisfiable, "BLOB_UNKNOWN", "the range is outside the blob")
		return
	}
	h.Set("Content-Length", strconv.FormatInt(to-from, 10))
	if ranged {
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to-1, size))
		w.WriteHeader(http.StatusPartialContent)
	}
	_, err := io.CopyN(io.Discard, body, from)
	if err == nil {
		_, err = io.CopyN(w, body, to-from)
	}
	if err != nil {
		panic(http.ErrAbortHandler) // the header is sent: only cutting off tells the client
	}
}

// byteRange reads the one form that registries' clients use, bytes=A-[B], as
// [from, to); any other is ignored, as RFC 9110 section 14.2 allows.
func byteRange(v string, size int64) (from, to int64, ranged bool) {
	spec, isBytes := strings.CutPrefix(v, "bytes=")
	first, last, dash := strings.Cut(spec, "-")
	from, err := strconv.ParseInt(first, 10, 64)
	if !isBytes || !dash || err != nil || from < 0 {
		return 0, size, false
	}
	if last == "" {
		return from, size, true
	}
	end, err := strconv.ParseInt(last, 10, 64)
	if err != nil || end < from {
		return 0, size, false
	}
	return from, min(size-1, end) + 1, true
}

func (c *contents) serveTags(w http.ResponseWriter, r *http.Request, repo string) {
	tags := make([]string, 0, len(c.tags))
	for t := range c.tags {
		tags = append(tags, t)
	}
	slices.Sort(tags)
	body, _ := json.Marshal(map[string]any{"name": repo, "tags": page(r, tags)})
	answer(w, r, "application/json", body)
}

// page cuts a sorted list by the query's last and n.
func page(r *http.Request, names []string) []string {
	q := r.URL.Query()
	if last := q.Get("last"); last != "" {
		i, found := slices.BinarySearch(names, last)
		if found {
			i++
		}
		names = names[i:]
	}
	if n, err := strconv.Atoi(q.Get("n")); err == nil && n >= 0 {
		names = names[:min(n, len(names))]
	}
	return names
}

func (c *contents) serveReferrers(w http.ResponseWriter, r *http.Request, subject string) {
	if _, err := v1.NewHash(subject); err != nil {
		refuse(w, http.StatusBadRequest, "DIGEST_INVALID", "no digest")
		return
	}
	index := v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: []v1.Descriptor{}}
	want := r.URL.Query().Get("artifactType")
	if want != "" {
		w.Header().Set("OCI-Filters-Applied", "artifactType")
	}
	for _, d := range c.referrers[subject] {
		if want == "" || d.ArtifactType == want {
			index.Manifests = append(index.Manifests, d)
		}
	}
	body, _ := json.Marshal(index)
	answer(w, r, string(types.OCIImageIndex), body)
}

func (s *Server) catalog(w http.ResponseWriter, r *http.Request) {
	s.mu.RLock()
	names := make([]string, 0, len(s.repos))
	for n := range s.repos {
		names = append(names, n)
	}
	s.mu.RUnlock()
	slices.Sort(names)
	body, _ := json.Marshal(map[string]any{"repositories": page(r, names)})
	answer(w, r, "application/json", body)
}

func answer(w http.ResponseWriter, r *http.Request, media string, body []byte) {
	w.Header().Set("Content-Type", media)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(body)
	}
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	body, _ := json.Marshal(map[string]any{"errors": []map[string]string{{"code": code, "message": message}}})
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

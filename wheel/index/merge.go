package index

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"
)

// Simple serves the simple API (PEP 691, at /simple/NAME/) of all that c can be
// asked for, each distribution from the one index that c asks for it: so a
// resolver finds what Extra says on that index and nowhere else, wherever in the
// graph it is required. Addresses of files are those of the indexes. failed,
// when not nil, hears of every answer that is none; it may be called concurrently.
func (c *Client) Simple(failed func(name string, err error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, ok := strings.CutPrefix(r.URL.Path, "/simple/")
		name = strings.TrimSuffix(name, "/")
		if !ok || name == "" || strings.Contains(name, "/") || r.Method != http.MethodGet && r.Method != http.MethodHead {
			http.NotFound(w, r)
			return
		}
		files, err := c.Files(r.Context(), name)
		if _, ok := errors.AsType[*NotFoundError](err); ok {
			http.NotFound(w, r)
			return
		}
		if err != nil {
			if failed != nil {
				failed(name, err)
			}
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		w.Header().Set("Content-Type", "application/vnd.pypi.simple.v1+json")
		// What keeps this from arriving shows at the other end.
		_ = json.NewEncoder(w).Encode(page(name, files))
	})
}

// servedPage and servedFile are the page of a distribution as PEP 691 and 700
// have it.
type servedPage struct {
	Meta  map[string]string `json:"meta"`
	Name  string            `json:"name"`
	Files []servedFile      `json:"files"`
}

type servedFile struct {
	Filename       string            `json:"filename"`
	URL            string            `json:"url"`
	Hashes         map[string]string `json:"hashes"`
	RequiresPython string            `json:"requires-python,omitempty"`
	Size           int64             `json:"size,omitempty"`
	Uploaded       string            `json:"upload-time,omitempty"`
	Yanked         any               `json:"yanked"`
}

func page(name string, files []File) servedPage {
	p := servedPage{Meta: map[string]string{"api-version": "1.0"}, Name: name, Files: []servedFile{}}
	for _, f := range files {
		s := servedFile{Filename: f.Name, URL: f.URL, Hashes: map[string]string{}, RequiresPython: f.RequiresPython, Size: f.Size, Yanked: f.Yanked}
		if f.SHA256 != "" {
			s.Hashes["sha256"] = f.SHA256
		}
		if f.YankedReason != "" {
			s.Yanked = f.YankedReason
		}
		if !f.Uploaded.IsZero() {
			s.Uploaded = f.Uploaded.Format(time.RFC3339Nano)
		}
		p.Files = append(p.Files, s)
	}
	return p
}

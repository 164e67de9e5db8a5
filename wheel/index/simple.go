package index

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sparkwheel/sparkwheel/requirements"
)

// File is one file of a distribution on an index.
type File struct {
	Name   string // file name, without any slash
	URL    string // absolute, without credentials and fragment
	SHA256 string // lower-case hex; empty: the index does not tell
	Size   int64  // bytes; 0: not told
	// Hashes are those of other algorithms, where a lock has no sha256.
	Hashes         map[string]string
	RequiresPython string
	Yanked         bool // withdrawn upstream (PEP 592): for exact pins only
	YankedReason   string
	Uploaded       time.Time // zero: not told
}

// Pin is the file as a lock names it, as one of the distribution's.
func (f File) Pin(distribution string) Pin {
	return Pin{Name: distribution, File: f.Name, URL: f.URL, SHA256: f.SHA256, Size: f.Size}
}

// Files lists all files of a distribution, by the simple API in JSON (PEP 691)
// or HTML (PEP 503), in the order of the index. name is normalised here. An
// index that does not know it is a *NotFoundError; an answer that is no simple
// API is an *AnswerError.
func (c *Client) Files(ctx context.Context, name string) ([]File, error) {
	name = string(requirements.Normalize(name))
	if name == "" {
		return nil, errors.New("querying an index: the distribution's name is empty")
	}
	base, err := c.indexOf(name)
	if err != nil {
		return nil, err
	}
	page := base.JoinPath(name, "/")
	var files []File
	err = whole(ctx, func() (bool, error) {
		files, err = c.page(ctx, page)
		return false, err
	})
	if e, ok := errors.AsType[*StatusError](err); ok && e.Code == http.StatusNotFound {
		return nil, &NotFoundError{Name: name, Index: Redact(base.String())}
	}
	if err != nil {
		return nil, fmt.Errorf("asking for the files of %s: %w", name, err)
	}
	return files, nil
}

// page asks once.
func (c *Client) page(ctx context.Context, u *url.URL) ([]File, error) {
	header := http.Header{"Accept": {"application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"}}
	resp, err := c.get(ctx, u, header, http.StatusOK)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	// Relative addresses count from where the page was found in the end.
	at := *resp.Request.URL
	at.User = nil
	limit := c.MaxAnswer
	if limit == 0 {
		limit = defaultMaxAnswer
	}
	body := &body{r: resp.Body, left: limit, limit: limit, url: Redact(at.String())}
	kind, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil {
		kind = resp.Header.Get("Content-Type")
	}
	switch kind {
	case "application/vnd.pypi.simple.v1+json":
		return parseJSON(&at, body)
	case "application/vnd.pypi.simple.v1+html", "text/html":
		return parseHTML(&at, body)
	}
	return nil, &AnswerError{URL: body.url, Msg: fmt.Sprintf("content type %q is not a simple API (PEP 691, PEP 503); is this the URL of an index? It usually ends in /simple/", kind)}
}

// body is an answer with an end, whose read errors are the network's.
type body struct {
	r           io.Reader
	left, limit int64
	url         string
}

func (b *body) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, &AnswerError{URL: b.url, Msg: fmt.Sprintf("it is larger than %d MiB", b.limit>>20)}
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		err = &brokenError{err}
	}
	return n, err
}

// jsonFile is a file as PEP 691 and PEP 700 write it.
type jsonFile struct {
	Filename       string            `json:"filename"`
	URL            string            `json:"url"`
	Hashes         map[string]string `json:"hashes"`
	RequiresPython *string           `json:"requires-python"`
	Size           int64             `json:"size"`
	UploadTime     string            `json:"upload-time"`
	Yanked         yanked            `json:"yanked"`
}

// yanked is false, true, or the reason as text.
type yanked struct {
	is     bool
	reason string
}

func (y *yanked) UnmarshalJSON(b []byte) error {
	if err := json.Unmarshal(b, &y.is); err == nil {
		return nil
	}
	y.is = true
	return json.Unmarshal(b, &y.reason)
}

// parseJSON reads the page file by file: only what File keeps stays in memory.
func parseJSON(at *url.URL, r io.Reader) ([]File, error) {
	d := json.NewDecoder(r)
	var files []File
	seen := false
	err := eachMember(d, func(key string) error {
		switch key {
		case "meta":
			return checkMeta(d)
		case "files":
			seen = true
			return eachElement(d, func() error {
				var j jsonFile
				if err := d.Decode(&j); err != nil {
					return err
				}
				f, ok := j.file(at)
				if ok {
					files = append(files, f)
				}
				return nil
			})
		}
		return skipValue(d)
	})
	if err != nil {
		return nil, answerError(at, err)
	}
	if !seen {
		return nil, &AnswerError{URL: Redact(at.String()), Msg: "it lists no files"}
	}
	return files, nil
}

// checkMeta refuses a later major version of the API, as PEP 629 asks.
func checkMeta(d *json.Decoder) error {
	var meta struct {
		APIVersion string `json:"api-version"`
	}
	if err := d.Decode(&meta); err != nil {
		return err
	}
	if major, _, _ := strings.Cut(meta.APIVersion, "."); major != "1" && major != "" {
		return fmt.Errorf("api-version %q is unknown; only 1.x is supported", meta.APIVersion)
	}
	return nil
}

// file checks what the index says; a file that cannot be fetched is left out,
// so that one odd entry does not hide a distribution.
func (j jsonFile) file(at *url.URL) (File, bool) {
	u, err := at.Parse(j.URL)
	if err != nil || !fileName(j.Filename) || !fetchable(u) {
		return File{}, false
	}
	f := File{
		Name: j.Filename, URL: bareURL(u), SHA256: sha256Hex(j.Hashes["sha256"]), Size: max(j.Size, 0),
		Yanked: j.Yanked.is, YankedReason: j.Yanked.reason,
	}
	if j.RequiresPython != nil {
		f.RequiresPython = *j.RequiresPython
	}
	if t, err := time.Parse(time.RFC3339, j.UploadTime); err == nil {
		f.Uploaded = t.UTC()
	}
	return f, true
}

func fetchable(u *url.URL) bool { return (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" }

// bareURL drops what must not get into a lock; the query stays, some indexes
// sign their addresses there.
func bareURL(u *url.URL) string {
	bare := *u
	bare.User, bare.Fragment, bare.RawFragment = nil, "", ""
	return bare.String()
}

// fileName says whether a name can be a file of a distribution: nothing that
// leads out of a directory, nothing that garbles a terminal.
func fileName(s string) bool {
	if s == "" || len(s) > 255 || s[0] == '.' {
		return false
	}
	return strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '/' || r == '\\' || r == 0xfffd }) < 0
}

func sha256Hex(s string) string {
	s = strings.ToLower(s)
	if raw, err := hex.DecodeString(s); err != nil || len(raw) != 32 {
		return ""
	}
	return s
}

func answerError(at *url.URL, err error) error {
	if _, ok := errors.AsType[*brokenError](err); ok {
		return err
	}
	if _, ok := errors.AsType[*AnswerError](err); ok {
		return err
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return &brokenError{fmt.Errorf("the answer ends early: %w", io.ErrUnexpectedEOF)}
	}
	return &AnswerError{URL: Redact(at.String()), Msg: err.Error()}
}

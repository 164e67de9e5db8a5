package index_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/wheel/index"
)

const jsonType = "application/vnd.pypi.simple.v1+json"

const (
	sumA = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	sumB = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

// page serves one answer at /simple/tiny-thing/.
func page(t *testing.T, contentType, body string) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/simple/tiny-thing/", func(w http.ResponseWriter, _ *http.Request) {
		if contentType != "" {
			w.Header().Set("Content-Type", contentType)
		}
		io.WriteString(w, body)
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func TestFilesJSON(t *testing.T) {
	t.Parallel()
	s := page(t, jsonType, `{
		"alternate-locations": [["deep", {"er": 1}]],
		"meta": {"api-version": "1.4", "_last-serial": 7},
		"files": [
			{"filename": "tiny_thing-1.0.tar.gz", "url": "../../files/tiny_thing-1.0.tar.gz#egg=x", "hashes": {"sha256": "`+strings.ToUpper(sumA)+`", "md5": "x"},
			 "size": 12, "upload-time": "2026-03-04T05:06:07.891234Z", "requires-python": null, "yanked": false, "provenance": null},
			{"filename": "tiny_thing-1.0-py3-none-any.whl", "url": "http://me:secret@other.test/a/tiny_thing-1.0-py3-none-any.whl?sig=1", "hashes": {},
			 "requires-python": "<4,>=3.9", "yanked": "broken on Tuesdays", "core-metadata": {"sha256": "x"}},
			{"filename": "../../etc/passwd", "url": "x", "hashes": {}},
			{"filename": "tiny_thing-1.0-py2-none-any.whl", "url": "file:///etc/passwd", "hashes": {}},
			{"filename": "tiny_thing-2.0-py3-none-any.whl", "url": "/files/w.whl", "hashes": {"sha256": "short"}, "yanked": true, "size": -4}
		],
		"name": "tiny-thing", "versions": ["1.0", "2.0"]
	}`)
	c := client()
	c.Index = s.URL + "/simple"
	got, err := c.Files(t.Context(), "Tiny.Thing")
	if err != nil {
		t.Fatal(err)
	}
	want := []index.File{
		{Name: "tiny_thing-1.0.tar.gz", URL: s.URL + "/files/tiny_thing-1.0.tar.gz", SHA256: sumA, Size: 12, Uploaded: time.Date(2026, 3, 4, 5, 6, 7, 891234000, time.UTC)},
		{Name: "tiny_thing-1.0-py3-none-any.whl", URL: "http://other.test/a/tiny_thing-1.0-py3-none-any.whl?sig=1", RequiresPython: "<4,>=3.9", Yanked: true, YankedReason: "broken on Tuesdays"},
		{Name: "tiny_thing-2.0-py3-none-any.whl", URL: s.URL + "/files/w.whl", Yanked: true},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestFilesHTML(t *testing.T) {
	t.Parallel()
	s := page(t, "text/html; charset=utf-8", `<!DOCTYPE html>
	<html><head><title>a < b</title><!-- <a href="no.whl">no-1-py3-none-any.whl</a> -->
	<script>document.write('<a href="no.whl">no-1-py3-none-any.whl</a>')</script>
	<BASE HREF="/elsewhere/"></head><body>
	<a href="../files/tiny_thing-1.0.tar.gz#sha256=`+sumA+`" data-requires-python="&gt;=3.9">tiny_thing-1.0.tar.gz</a><br/>
	<A data-yanked HREF='tiny_thing-1.0-py3-none-any.whl#md5=abc' >  tiny_thing-1.0-py3-none-any.whl
	</A>
	<a class=x data-yanked="bad &amp; ugly" href=//cdn.test/t.whl#sha256=`+sumB+`>tiny_thing-2.0-py3-none-any.whl</a>
	<a href="javascript:alert(1)">tiny_thing-3.0-py3-none-any.whl</a>
	<a name="anchor">tiny_thing-4.0-py3-none-any.whl</a>
	<a href="/simple/">all distributions</a> 1 < 2 <a href="unclosed.whl`)
	c := client()
	c.Index = s.URL + "/simple/"
	got, err := c.Files(t.Context(), "tiny-thing")
	if err != nil {
		t.Fatal(err)
	}
	want := []index.File{
		{Name: "tiny_thing-1.0.tar.gz", URL: s.URL + "/files/tiny_thing-1.0.tar.gz", SHA256: sumA, RequiresPython: ">=3.9"},
		{Name: "tiny_thing-1.0-py3-none-any.whl", URL: s.URL + "/elsewhere/tiny_thing-1.0-py3-none-any.whl", Yanked: true},
		{Name: "tiny_thing-2.0-py3-none-any.whl", URL: "http://cdn.test/t.whl", SHA256: sumB, Yanked: true, YankedReason: "bad & ugly"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestFilesRefuses(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ contentType, body, want string }{
		"another API":      {jsonType, `{"meta": {"api-version": "2.0"}, "files": []}`, `api-version "2.0" is unknown`},
		"no JSON":          {jsonType, `<html>`, "invalid character"},
		"a list":           {jsonType, `[]`, "want {"},
		"no files":         {jsonType, `{"meta": {"api-version": "1.0"}}`, "lists no files"},
		"files of a kind":  {jsonType, `{"files": {"a": 1}}`, "want ["},
		"file of a kind":   {jsonType, `{"files": [1]}`, "cannot unmarshal"},
		"cut off":          {jsonType, `{"files": [{"filename": "a`, "ends early"},
		"wrong type":       {"application/octet-stream", `x`, "usually ends in /simple/"},
		"no type":          {"x y z", `{}`, "is not a simple API"},
		"text for HTML":    {"text/html", `nothing here`, "has no tags"},
		"deep JSON":        {jsonType, `{"x": ` + strings.Repeat("[", 200000), ""},
		"another one, far": {jsonType, `{"files": [{"filename": ` + strings.Repeat("[", 200000), ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := page(t, tt.contentType, tt.body)
			c := client()
			c.Index = s.URL + "/simple/"
			files, err := c.Files(t.Context(), "tiny-thing")
			if err == nil {
				t.Fatalf("%d files and no error", len(files))
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %q lacks %q", err, tt.want)
			}
		})
	}
}

func TestFilesUnknownName(t *testing.T) {
	t.Parallel()
	s := page(t, jsonType, "{}")
	c := client()
	c.Index = strings.Replace(s.URL, "://", "://me:secret@", 1) + "/simple/"
	_, err := c.Files(t.Context(), "no-such")
	e, ok := errors.AsType[*index.NotFoundError](err)
	if !ok || e.Name != "no-such" || e.Index != s.URL+"/simple/" {
		t.Errorf("error is %v", err)
	}
}

// TestCredentials sends an index's user and password to that index alone.
func TestCredentials(t *testing.T) {
	t.Parallel()
	var toFiles atomic.Int64
	files := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			toFiles.Add(1)
		}
		io.WriteString(w, "body")
	}))
	t.Cleanup(files.Close)
	idx := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "me" || password != "sec ret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		switch r.URL.Path {
		case "/own.whl":
			io.WriteString(w, "body")
		case "/moved.whl":
			// Another name of this machine: another host to a client.
			http.Redirect(w, r, strings.Replace(files.URL, "127.0.0.1", "localhost", 1), http.StatusFound)
		default:
			w.Header().Set("Content-Type", jsonType)
			fmt.Fprintf(w, `{"files": [{"filename": "a-1.tar.gz", "url": "%s/a-1.tar.gz", "hashes": {}}, {"filename": "b-1.tar.gz", "url": "/own.whl", "hashes": {}}, {"filename": "c-1.tar.gz", "url": "/moved.whl", "hashes": {}}]}`, files.URL)
		}
	}))
	t.Cleanup(idx.Close)
	c := client()
	c.Extra = map[string]string{"a": strings.Replace(idx.URL, "://", "://me:sec%20ret@", 1)}
	list, err := c.Files(t.Context(), "A")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range list {
		if strings.Contains(fmt.Sprint(f), "me:") {
			t.Errorf("file %v holds credentials", f)
		}
		pin := pinOf(f.URL, []byte("body"))
		if _, err := c.Download(t.Context(), pin, t.TempDir(), nil); err != nil {
			t.Errorf("%s: %v", f.Name, err)
		}
	}
	if n := toFiles.Load(); n != 0 {
		t.Errorf("the index's password was sent to another host %d times", n)
	}
	c.Extra = map[string]string{"a": strings.Replace(idx.URL, "://", "://me:wrong@", 1)}
	_, err = c.Files(t.Context(), "a")
	if e, ok := errors.AsType[*index.StatusError](err); !ok || e.Code != http.StatusUnauthorized || strings.Contains(err.Error(), "wrong") {
		t.Errorf("error is %v", err)
	}
	c.Extra = nil
	c.Index = idx.URL
	c.Credentials = func(host string) (string, string, bool) { return "me", "sec ret", host == idx.Listener.Addr().String() }
	if _, err := c.Files(t.Context(), "a"); err != nil {
		t.Errorf("with credentials from outside: %v", err)
	}
}

func TestOffline(t *testing.T) {
	t.Parallel()
	s := serve(t, []byte("x"), nil)
	c := client()
	c.Index, c.Offline = s.URL, true
	_, err := c.Files(t.Context(), "a")
	if !errors.Is(err, index.ErrOffline) {
		t.Errorf("Files: %v", err)
	}
	if _, err := c.Download(t.Context(), pinOf(s.URL, []byte("x")), t.TempDir(), nil); !errors.Is(err, index.ErrOffline) {
		t.Errorf("Download: %v", err)
	}
	if n := s.requests.Load(); n != 0 {
		t.Errorf("%d requests were made", n)
	}
}

func TestRefusesDowngrade(t *testing.T) {
	t.Parallel()
	plain := serve(t, []byte("x"), nil)
	s := httptest.NewTLSServer(http.RedirectHandler(plain.URL, http.StatusFound))
	t.Cleanup(s.Close)
	c := client()
	c.HTTP, c.Index = s.Client(), s.URL
	_, err := c.Files(t.Context(), "a")
	if err == nil || !strings.Contains(err.Error(), "redirected from https to http://") {
		t.Errorf("error is %v", err)
	}
	if n := plain.requests.Load(); n != 0 {
		t.Errorf("the other server was asked")
	}
}

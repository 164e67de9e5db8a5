package index_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/wheel/index"
)

// TestDownloadFromOddServers resumes from servers that keep to no rule, and
// ends with the right bytes or an error, never with wrong ones.
func TestDownloadFromOddServers(t *testing.T) {
	t.Parallel()
	body := content(1<<20, 8)
	const have = 1000
	for name, tt := range map[string]struct {
		answer  http.HandlerFunc // to requests with a Range; others get the file
		wantErr string
	}{
		"ignores ranges":   {func(w http.ResponseWriter, _ *http.Request) { w.Write(body) }, ""},
		"without a length": {func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush(); w.Write(body) }, ""},
		"another range":    {partial("bytes 0-9/1048576", body[:10]), ""},
		"no range told":    {partial("", body[have:]), ""},
		"nonsense told":    {partial("bytes x-y/z", body[have:]), ""},
		"negative":         {partial("bytes -1000--1/-5", body[have:]), ""},
		"size not told":    {partial("bytes 1000-1048575/*", body[have:]), ""},
		"another size":     {partial("bytes 1000-1048575/1048577", body[have:]), ""},
		"other bytes":      {partial("bytes 1000-1048575/1048576", body[:1<<20-have]), ""},
		"more than told":   {partial("bytes 1000-1048575/1048576", append(append([]byte(nil), body[have:]...), body...)), ""},
		"past the end": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Range", "bytes */10")
			w.WriteHeader(416)
		}, ""},
		"past the end, mum": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(416) }, ""},
		"redirects forever": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path+"x", http.StatusFound) }, "more than ten redirects"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, body, func(_ int64, w http.ResponseWriter, r *http.Request, file http.Handler) {
				if r.Header.Get("Range") != "" {
					tt.answer(w.(*countingWriter).ResponseWriter, r)
					return
				}
				file.ServeHTTP(w, r)
			})
			dir := t.TempDir()
			pin := pinOf(s.URL+"/tiny", body)
			leave(t, pin, dir, body[:have])
			path, err := client().Download(t.Context(), pin, dir, nil)
			if tt.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tt.wantErr) {
					t.Errorf("error is %v, want one with %q", err, tt.wantErr)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			checkFile(t, path, body)
		})
	}
}

func partial(contentRange string, body []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if contentRange != "" {
			w.Header().Set("Content-Range", contentRange)
		}
		w.WriteHeader(http.StatusPartialContent)
		w.Write(body)
	}
}

// TestDownloadOfChangingFile breaks off once; then the server has another file
// under the name, and says so by its ETag.
func TestDownloadOfChangingFile(t *testing.T) {
	t.Parallel()
	old, body := content(1<<20, 9), content(1<<20, 10)
	s := serve(t, nil, func(n int64, w http.ResponseWriter, r *http.Request, _ http.Handler) {
		if n == 1 {
			w.Header().Set("ETag", `"old"`)
			cut(w, old, 1<<19)
		}
		w.Header().Set("ETag", `"new"`)
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(string(body)))
	})
	path, err := client().Download(t.Context(), pinOf(s.URL, body), t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	checkFile(t, path, body)
}

func TestDownloadRefusesPins(t *testing.T) {
	t.Parallel()
	body := []byte("x")
	for want, spoil := range map[string]func(*index.Pin){
		"has no sha256 (\"\")":     func(p *index.Pin) { p.SHA256 = "" },
		"has no sha256 (\"../../x": func(p *index.Pin) { p.SHA256 = "../../x" },
		"has no sha256 (\"AAAA":    func(p *index.Pin) { p.SHA256 = strings.ToUpper(sumA) },
		"neither http:// nor":      func(p *index.Pin) { p.URL = "file:///etc/passwd" },
		"\"b.test\" is neither":    func(p *index.Pin) { p.URL = "ftp:me:secret@b.test" },
	} {
		pin := pinOf("http://127.0.0.1:1/", body)
		spoil(&pin)
		_, err := client().Download(t.Context(), pin, t.TempDir(), nil)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("error is %v, want one with %q", err, want)
		}
		if _, err := client().Fetch(t.Context(), []index.Pin{pin}, t.TempDir(), 1, nil); err == nil {
			t.Error("Fetch takes what Download refuses")
		}
	}
}

// TestFilesOfEndlessAnswer reads an answer that never ends up to a limit.
func TestFilesOfEndlessAnswer(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ kind, start, filler, want string }{
		{jsonType, `{"files": [` + "\n", " ", "larger than 2 MiB"},
		{"text/html", "", "<p> ", "larger than 2 MiB"},
		{"text/html", "<p>", " ", "text or comment in it is longer than 1 MiB"},
		{"text/html", "<a ", "x=y ", "longer than 1 MiB"},
		{"text/html", "<!--", "- ", "longer than 1 MiB"},
		{"text/html", "<script>", "</scrip ", "longer than 1 MiB"},
		{"text/html", `<a href="`, "&amp;", "longer than 1 MiB"},
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", test.kind)
			io.WriteString(w, test.start)
			block := strings.Repeat(test.filler, 16<<10)
			for r.Context().Err() == nil {
				if _, err := io.WriteString(w, block); err != nil {
					return
				}
			}
		}))
		t.Cleanup(s.Close)
		c := client()
		c.Index, c.MaxAnswer = s.URL, 2<<20
		_, err := c.Files(t.Context(), "tiny")
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s %q: error is %v", test.kind, test.start, err)
		}
	}
}

func TestPipConfPaths(t *testing.T) {
	t.Parallel()
	for in, want := range map[[3]string][]string{
		{"/home/me", "", ""}:            {"/etc/xdg/pip/pip.conf", "/etc/pip.conf", "/home/me/.pip/pip.conf", "/home/me/.config/pip/pip.conf"},
		{"/home/me", "/x", "/own.conf"}: {"/etc/xdg/pip/pip.conf", "/etc/pip.conf", "/home/me/.pip/pip.conf", "/x/pip/pip.conf", "/own.conf"},
		{"", "", ""}:                    {"/etc/xdg/pip/pip.conf", "/etc/pip.conf"},
		{"/home/me", "", "/dev/null"}:   nil,
	} {
		if diff := cmp.Diff(want, index.PipConfPaths(in[0], in[1], in[2])); diff != "" {
			t.Errorf("%v (-want +got):\n%s", in, diff)
		}
	}
}

// TestUnreachable names what was asked, and no password.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	c := client()
	c.Index = "http://me:secret@127.0.0.1:1/simple"
	_, err := c.Files(t.Context(), "tiny")
	if err == nil || !strings.Contains(err.Error(), "asking for the files of tiny") || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("error is %v", err)
	}
	if strings.Contains(err.Error(), "secret") {
		t.Errorf("the error tells the password: %v", err)
	}
}

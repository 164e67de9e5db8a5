package index_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/sparkwheel/sparkwheel/wheel/index"
)

// answerer is an index that gives one answer to every request, without a
// connection.
type answerer struct{ contentType, body string }

func (a answerer) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK, Status: "200 OK", Header: http.Header{"Content-Type": {a.contentType}},
		Body: io.NopCloser(strings.NewReader(a.body)), Request: r,
	}, nil
}

// fuzzPage asks an index that answers with body, and holds what comes out
// against what File promises.
func fuzzPage(t *testing.T, contentType, body string) {
	c := &index.Client{HTTP: &http.Client{Transport: answerer{contentType, body}}, Index: "https://me:secret@index.test/simple/"}
	files, err := c.Files(t.Context(), "tiny")
	if err != nil {
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("error %q tells the password", err)
		}
		return
	}
	for _, f := range files {
		checkParsed(t, f)
	}
}

func checkParsed(t *testing.T, f index.File) {
	t.Helper()
	if f.Name == "" || strings.ContainsAny(f.Name, "/\\\n\x00") || f.Name[0] == '.' || len(f.Name) > 255 {
		t.Errorf("%q is taken for a file name", f.Name)
	}
	if u, err := url.Parse(f.URL); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.Fragment != "" {
		t.Errorf("%q is taken for a URL", f.URL)
	}
	if f.SHA256 != "" && (len(f.SHA256) != 64 || strings.ToLower(f.SHA256) != f.SHA256) {
		t.Errorf("%q is taken for a sha256", f.SHA256)
	}
	if f.Size < 0 {
		t.Errorf("size %d", f.Size)
	}
}

func FuzzFilesJSON(f *testing.F) {
	for _, seed := range []string{
		`{"files": [{"filename": "a-1.tar.gz", "url": "a-1.tar.gz", "hashes": {"sha256": "` + sumA + `"}}]}`,
		`{"meta": {"api-version": "1.1"}, "files": [{"filename": "../a", "url": "file:///etc/passwd", "yanked": "x"}]}`,
		`{"files": [{"filename": "a\u0000b", "url": "//u:p@h/x", "size": -1, "upload-time": "9999"}]}`,
		`{"files": [{"filename": "a", "url": "http://[::1", "requires-python": 7}]}`,
		`{"files": null}`, `{"files": [[[[`, `[]`, `{"files":[]}{"files":[]}`, "\ufeff{}",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) { fuzzPage(t, jsonType, body) })
}

func FuzzFilesHTML(f *testing.F) {
	for _, seed := range []string{
		`<a href="a-1.tar.gz#sha256=` + sumA + `">a-1.tar.gz</a>`,
		`<base href="javascript:x"><a href=x>a-1.tar.gz</a>`,
		`<base href="http://u:p@h/"><a href='../../x?y#md5=z' data-yanked>a-1.tar.gz`,
		`<!-- <a href=x>x</a> --><A HREF = "x" href="y">&#x2e;&#x2e;/a</A>`,
		`<a href="&#106;avascript:1">a</a><a/href=x/>b`, `<a href`, `<a href="`, `<!--`, `<script><a href=x>x</a></scrip`, `<`,
		`<a href="x">a` + "\u202e" + `b</a>`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) { fuzzPage(t, "text/html", body) })
}

func FuzzParsePylock(f *testing.F) {
	for _, seed := range []string{
		head + entry(`name = "a"`, "a-1-py3-none-any.whl"),
		head + entry("name = \"a\"\nmarker = \"python_version < '3'\"\nrequires-python = \">=3\"", "a-1-1-cp312-abi3-manylinux_2_17_aarch64.manylinux2014_aarch64.whl"),
		head + "[[packages]]\nname = \"a\"\nvcs = {type = \"git\"}\n",
		head + "[[packages]]\nname = \"a\"\nwheels = [{url = \"https://u:p@h/..%2f\", hashes = {sha256 = \"x\"}}]\n",
		head + "environments = [\"'a' in os_name\"]\nx = [[[[{}]]]]\n",
		"lock-version = 1.0\n", "lock-version = \"1\"\npackages = []", "\x00", "a.b.c = 1\na.b = 2",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		p, err := index.ParsePylock("pylock.toml", src)
		if err != nil {
			return
		}
		for _, pkg := range p.Packages {
			for _, w := range pkg.Wheels {
				checkParsed(t, w)
			}
		}
		tags, env := spark(t)
		pins, err := p.Select(tags, env)
		if err != nil {
			return
		}
		for i, pin := range pins {
			if i > 0 && pins[i-1].Name >= pin.Name {
				t.Errorf("%s comes after %s", pin.Name, pins[i-1].Name)
			}
			if len(pin.SHA256) != 64 {
				t.Errorf("%s is pinned without a sha256", pin.Name)
			}
		}
	})
}

func FuzzSettings(f *testing.F) {
	f.Add("[global]\nindex-url = https://u:p@h/simple\n")
	f.Add("[install]\nindex_url:\n  https://h\n;x\n[global]\n#index-url = x")
	f.Add("index-url = https://h\n[global\n]]\n=\n:")
	f.Fuzz(func(t *testing.T, conf string) {
		u, from, err := index.Settings{PipConf: []index.ConfFile{{Name: "pip.conf", Data: []byte(conf)}}}.Index()
		if err == nil && !strings.HasPrefix(u, "http") || from == "" {
			t.Errorf("index %q from %q: %v", u, from, err)
		}
	})
}

func BenchmarkParsePylock(b *testing.B) {
	var src strings.Builder
	src.WriteString(head)
	for i := range 200 {
		name := "tiny" + strings.Repeat("x", i%7) + string(rune('a'+i%26)) + string(rune('a'+i/26))
		src.WriteString(entry("name = \""+name+"\"\nversion = \"1\"\nmarker = \"sys_platform == 'linux'\"",
			name+"-1-cp312-cp312-manylinux_2_17_aarch64.manylinux2014_aarch64.whl", name+"-1-py3-none-any.whl"))
	}
	tags, env := spark(b)
	b.SetBytes(int64(src.Len()))
	for b.Loop() {
		p, err := index.ParsePylock("pylock.toml", []byte(src.String()))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := p.Select(tags, env); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFiles(b *testing.B) {
	var json, html strings.Builder
	json.WriteString(`{"meta": {"api-version": "1.1"}, "files": [`)
	for i := range 3000 {
		if i > 0 {
			json.WriteString(",")
		}
		json.WriteString(`{"filename": "tiny-1-py3-none-any.whl", "url": "/f/tiny-1-py3-none-any.whl", "hashes": {"sha256": "` + sumA + `"}, "size": 5, "upload-time": "2026-01-02T03:04:05Z", "yanked": false}`)
		html.WriteString(`<a href="/f/tiny-1-py3-none-any.whl#sha256=` + sumA + `" data-requires-python="&gt;=3.9">tiny-1-py3-none-any.whl</a><br/>`)
	}
	json.WriteString("]}")
	for name, a := range map[string]answerer{"json": {jsonType, json.String()}, "html": {"text/html", html.String()}} {
		b.Run(name, func(b *testing.B) {
			c := &index.Client{HTTP: &http.Client{Transport: a}}
			b.SetBytes(int64(len(a.body)))
			for b.Loop() {
				files, err := c.Files(b.Context(), "tiny")
				if err != nil || len(files) != 3000 {
					b.Fatal(len(files), err)
				}
			}
		})
	}
}

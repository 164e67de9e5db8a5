package registry

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
)

func TestLocation(t *testing.T) {
	t.Parallel()
	plain := &endpoint{endpointKey: endpointKey{scheme: "http", host: "r.example:5000"}, authHost: "r.example:5000"}
	secure := &endpoint{endpointKey: endpointKey{scheme: "https", host: "r.example"}, authHost: "r.example"}
	tests := []struct {
		e         *endpoint
		loc, want string // want empty: refused
	}{
		{plain, "/v2/a/blobs/uploads/1", "http://r.example:5000/v2/a/blobs/uploads/1"},
		{plain, "1?_state=a%3D%3D", "http://r.example:5000/v2/a/blobs/uploads/1?_state=a%3D%3D"},
		{plain, "?x=1", "http://r.example:5000/v2/a/blobs/uploads/?x=1"},
		{plain, "//other.example/u", "http://other.example/u"},
		{plain, "https://other.example/u?sig=1&x=2", "https://other.example/u?sig=1&x=2"},
		{plain, "http://user:word@other.example/u", "http://other.example/u"},
		{plain, "file:///etc/passwd", ""},
		{plain, "ftp://r.example/u", ""},
		{plain, "http://%zz", ""},
		{plain, "javascript:1", ""},
		{secure, "http://r.example/u", "https://r.example/u"},
		{secure, "http://r.example:80/u?q=1", "https://r.example/u?q=1"},
		{secure, "http://other.example/u", ""},
		{secure, "https://other.example/u", "https://other.example/u"},
	}
	for _, tt := range tests {
		base, err := url.Parse(tt.e.scheme + "://" + tt.e.host + "/v2/a/blobs/uploads/")
		if err != nil {
			t.Fatal(err)
		}
		got, err := tt.e.location(base, tt.loc)
		if got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%s: got %q, %v; want %q", tt.loc, got, err, tt.want)
		}
	}
}

// Plain http is for loopback and for those who ask for it.
func TestScheme(t *testing.T) {
	t.Parallel()
	tests := []struct {
		host string
		opt  Options
		want string
	}{
		{"127.0.0.1:5000", Options{}, "http"},
		{"127.9.9.9", Options{}, "http"},
		{"localhost:5000", Options{}, "http"},
		{"[::1]:5000", Options{}, "http"},
		{"127.0.0.1:5000", Options{HTTPS: true}, "https"},
		{"registry.example:5000", Options{}, "https"},
		{"registry.example:5000", Options{PlainHTTP: true}, "http"},
		{"192.168.1.10:5000", Options{}, "https"},
		{"127.0.0.1.example", Options{}, "https"},
		{"localhost.example", Options{}, "https"},
		{"spark.local:5000", Options{}, "https"},
	}
	for _, tt := range tests {
		reg, err := name.NewRegistry(tt.host)
		if err != nil {
			t.Fatal(err)
		}
		if got := New(tt.opt).scheme(reg); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.host, got, tt.want)
		}
	}
}

func TestReceived(t *testing.T) {
	t.Parallel()
	tests := []struct {
		v    string
		want int64
		ok   bool
	}{
		{"0-0", 0, true}, {"0-999", 1000, true}, {"bytes=0-999", 1000, true}, {"0--1", 0, true},
		{"", 0, false}, {"5-9", 0, false}, {"0-x", 0, false}, {"0-99999999999999999999", 0, false},
		{"0-1", 2, true}, {"0--2", 0, false}, {"0-9223372036854775806", 1<<63 - 1, true}, {"0-9223372036854775807", 0, false},
	}
	for _, tt := range tests {
		got, ok := received(http.Header{"Range": {tt.v}})
		if got != tt.want || ok != tt.ok {
			t.Errorf("%q: %d, %t; want %d, %t", tt.v, got, ok, tt.want, tt.ok)
		}
	}
}

func TestParseChallenges(t *testing.T) {
	t.Parallel()
	tests := []struct {
		v    string
		want challenge
	}{
		{`Basic realm="x"`, challenge{"basic", map[string]string{"realm": "x"}}},
		{`Basic`, challenge{"basic", map[string]string{}}},
		{`Bearer realm="https://a/t",service="s",scope="repository:a/b:pull,push"`,
			challenge{"bearer", map[string]string{"realm": "https://a/t", "service": "s", "scope": "repository:a/b:pull,push"}}},
		{`BEARER Realm=plain , service = "q\"uote"`, challenge{"bearer", map[string]string{"realm": "plain", "service": `q"uote`}}},
		{`Bearer realm="unended`, challenge{"bearer", map[string]string{"realm": "unended"}}},
	}
	for _, tt := range tests {
		got := parseChallenges(http.Header{"Www-Authenticate": {tt.v}})
		if diff := cmp.Diff([]challenge{tt.want}, got, cmp.AllowUnexported(challenge{})); diff != "" {
			t.Errorf("%s: %s", tt.v, diff)
		}
	}
}

func TestRealm(t *testing.T) {
	t.Parallel()
	tests := []struct {
		scheme, host, realm string
		ok                  bool
	}{
		{"https", "r.example", "https://auth.example/token", true},
		{"https", "r.example", "http://auth.example/token", false},
		{"https", "r.example", "http://r.example/token", false},
		{"http", "r.example", "http://r.example:8080/token", true},
		{"http", "r.example", "http://auth.example/token", false},
		{"http", "127.0.0.1:5000", "http://localhost:5001/token", true},
		{"https", "r.example", "file:///etc/passwd", false},
		{"https", "r.example", "", false},
	}
	for _, tt := range tests {
		e := &endpoint{endpointKey: endpointKey{scheme: tt.scheme, host: tt.host}, challenge: challenge{"bearer", map[string]string{"realm": tt.realm}}}
		if _, err := e.realm(); (err == nil) != tt.ok {
			t.Errorf("%s of %s: %v", tt.realm, tt.host, err)
		}
	}
}

// What a registry says never makes the client crash, leave http, or carry user
// information on.
func FuzzAnswers(f *testing.F) {
	for _, s := range []string{`Bearer realm="a\`, `Basic ,,,`, `Bearer =`, "http://r.example:5000@evil/", "0-9223372036854775807", "//[::1]:x/"} {
		f.Add(s)
	}
	e := &endpoint{endpointKey: endpointKey{scheme: "https", host: "r.example"}, authHost: "r.example"}
	base := &url.URL{Scheme: "https", Host: "r.example", Path: "/v2/a/blobs/uploads/"}
	f.Fuzz(func(t *testing.T, s string) {
		h := http.Header{"Www-Authenticate": {s}, "Range": {s}}
		parseChallenges(h)
		if n, _ := received(h); n < 0 {
			t.Errorf("received %d bytes", n)
		}
		if from, to, ok := byteRange(s, 100); ok && (from < 0 || to > 100 || from < 100 && from >= to) {
			t.Errorf("range %d to %d of 100", from, to)
		}
		loc, err := e.location(base, s)
		if err != nil {
			return
		}
		u, err := url.Parse(loc)
		if err != nil || u.Scheme != "https" || u.User != nil {
			t.Errorf("%q led to %q, %v", s, loc, err)
		}
		if msg := printable(s); strings.ContainsAny(msg, "\x1b\n\r") {
			t.Errorf("%q is not printable", msg)
		}
	})
}

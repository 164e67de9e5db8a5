package index_test

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sparkwheel/sparkwheel/wheel/index"
)

// tinyWheel is a wheel that uv takes.
func tinyWheel(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, f := range [][2]string{
		{"tiny.py", "x = 1\n"},
		{"tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n"},
		{"tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"},
		{"tiny-1.0.dist-info/RECORD", "tiny.py,,\ntiny-1.0.dist-info/METADATA,,\ntiny-1.0.dist-info/WHEEL,,\ntiny-1.0.dist-info/RECORD,,\n"},
	} {
		w, err := z.Create(f[0])
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(w, f[1])
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestE2ECredentialsStayOut locks with uv from an index that wants a password,
// by relative and by absolute addresses: neither lock nor pins hold it, and the
// files are fetched all the same.
func TestE2ECredentialsStayOut(t *testing.T) {
	t.Parallel()
	resolver := newResolver(t, online(t))
	body := tinyWheel(t)
	sum := sha256.Sum256(body)
	for name, prefix := range map[string]string{"relative": "../../files/", "absolute": "http://HOST/files/"} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if user, password, _ := r.BasicAuth(); user != "me" || password != "hushhush" {
					w.Header().Set("WWW-Authenticate", "Basic")
					w.WriteHeader(http.StatusUnauthorized)
					return
				}
				switch r.URL.Path {
				case "/simple/tiny/":
					w.Header().Set("Content-Type", "text/html")
					fmt.Fprintf(w, `<a href="%stiny-1.0-py3-none-any.whl#sha256=%x">tiny-1.0-py3-none-any.whl</a>`, strings.Replace(prefix, "HOST", r.Host, 1), sum)
				case "/files/tiny-1.0-py3-none-any.whl":
					http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
				default:
					http.NotFound(w, r)
				}
			}))
			t.Cleanup(s.Close)
			own := *resolver
			own.t, own.indexURL = t, strings.Replace(s.URL, "://", "://me:hushhush@", 1)+"/simple/"
			file := own.lock("3.12", []string{"tiny"}, nil)
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(src), "hushhush") {
				t.Errorf("uv wrote the password into the lock:\n%s", src)
			}
			pins := selected(t, file, "3.12")
			if len(pins) != 1 || strings.Contains(pins[0].URL, "me:") || pins[0].SHA256 != hex.EncodeToString(sum[:]) {
				t.Fatalf("pins are %v", pins)
			}
			c := client()
			c.Index = own.indexURL
			if _, err := c.Fetch(t.Context(), pins, t.TempDir(), 1, nil); err != nil {
				t.Error(err)
			}
			c.Index = s.URL
			_, err = c.Fetch(t.Context(), pins, t.TempDir(), 1, nil)
			if e, ok := errors.AsType[*index.StatusError](err); !ok || e.Code != http.StatusUnauthorized {
				t.Errorf("without a password: %v", err)
			}
		})
	}
}

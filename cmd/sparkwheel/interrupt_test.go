package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// silent is a server that answers nobody, and a recipe whose every name it holds.
func silent(t *testing.T) (recipe, url string, asked chan struct{}) {
	t.Helper()
	asked = make(chan struct{}, 100)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	recipe = filepath.Join(t.TempDir(), "silent.toml")
	text := fmt.Sprintf(`[target]
platform = "host"
python = "base"
[base]
image = "%s/base:1"
[tools]
uv = "0.13.9"
[[source]]
name = "a"
url = "%s/a.git"
ref = "v1"
version = "tag"
[[wheel]]
name = "a"
source = "a"
distribution = "a"
`, strings.TrimPrefix(server.URL, "http://"), server.URL)
	if err := os.WriteFile(recipe, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return recipe, server.URL, asked
}

func TestInterrupt(t *testing.T) {
	t.Parallel()
	recipe, url, asked := silent(t)
	dir := t.TempDir()
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	go func() {
		<-asked
		interrupt()
	}()
	var stdout, stderr bytes.Buffer
	began := time.Now()
	code := run(ctx, []string{"lock", "-r", recipe, "--store", filepath.Join(dir, "store"), "--progress", "plain"}, environment{
		Getenv: func(name string) string {
			if name == "UV_DEFAULT_INDEX" {
				return url
			}
			return ""
		}, Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr,
	})
	if code != codeInterrupted || time.Since(began) > 10*time.Second {
		t.Errorf("exit code %d after %v", code, time.Since(began))
	}
	if stdout.Len() > 0 || !strings.Contains(stderr.String(), "sparkwheel: interrupted") {
		t.Errorf("stdout %q, stderr:\n%s", &stdout, &stderr)
	}
	if left, err := os.ReadDir(filepath.Join(dir, "store", "tmp")); err != nil || len(left) > 0 {
		t.Errorf("left in the store: %v, %v", left, err)
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(recipe), "*")); err != nil || len(left) != 1 {
		t.Errorf("left beside the recipe: %v, %v", left, err)
	}
}

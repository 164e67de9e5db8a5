package transport_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/transport"
	"github.com/sparkwheel/sparkwheel/git"
	"github.com/sparkwheel/sparkwheel/git/gittest"
	"github.com/sparkwheel/sparkwheel/layer/registry"
	"github.com/sparkwheel/sparkwheel/layer/registry/registrytest"
	"github.com/sparkwheel/sparkwheel/wheel/index"
)

// repository serves one commit by git's own server, and returns it.
func repository(t *testing.T) (http.Handler, git.Commit) {
	t.Helper()
	root := t.TempDir()
	dir := filepath.Join(root, "up")
	h, err := gittest.Handler(root)
	if err != nil {
		t.Skip(err)
	}
	run := func(args ...string) string {
		cmd := exec.Command("git", append([]string{"-C", root}, args...)...)
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	run("init", "-q", "-b", "main", dir)
	if err := os.WriteFile(filepath.Join(dir, "file"), []byte(strings.Repeat("text\n", 1000)), 0o644); err != nil {
		t.Fatal(err)
	}
	run("-C", dir, "add", ".")
	run("-C", dir, "-c", "user.name=A", "-c", "user.email=a@a.example", "commit", "-q", "-m", "one")
	return h, git.Commit{Hash: run("-C", dir, "rev-parse", "HEAD")}
}

// What git servers do in bad hours costs no run: busy once, hung up, an answer
// that is too slow to end.
func TestGitHeals(t *testing.T) {
	t.Parallel()
	h, c := repository(t)
	hangUp := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	busy := func(code int, after string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", after)
			http.Error(w, "<b>busy</b>", code)
		}
	}
	for name, first := range map[string]http.HandlerFunc{
		"503": busy(503, "7"), "429": busy(429, "7"), "500": busy(500, ""), "hung up": hangUp,
		"1 byte, then 1 byte": func(w http.ResponseWriter, r *http.Request) {
			kind := map[string]string{http.MethodGet: "advertisement", http.MethodPost: "result"}[r.Method]
			w.Header().Set("Content-Type", "application/x-git-upload-pack-"+kind)
			for head := "fff0"; r.Context().Err() == nil; head = "a" { // a long line of git's protocol
				io.WriteString(w, head)
				w.(http.Flusher).Flush()
				time.Sleep(time.Millisecond)
			}
		},
	} {
		for _, verb := range []string{http.MethodGet, http.MethodPost} {
			t.Run(name+" "+verb, func(t *testing.T) {
				t.Parallel()
				var n atomic.Int32
				addr := registrytest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.Method == verb && n.Add(1) == 1 {
						first(w, r)
						return
					}
					h.ServeHTTP(w, r)
				}))
				m := &git.Mirrors{Dir: t.TempDir(), Transport: wire(transport.Options{Window: 300 * time.Millisecond, MinRate: 1 << 20})}
				err := m.Fetch(t.Context(), "http://"+addr+"/up", c, "main", t.Output())
				if strings.HasPrefix(name, "1 byte") && verb == http.MethodGet {
					// An advertisement is not asked for twice, but it ends.
					if !errors.As(err, new(*transport.StalledError)) {
						t.Errorf("got %v, want a stall", err)
					}
					return
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// A git server that stays busy or silent is named, and what it says is not.
func TestGitNamesTheFault(t *testing.T) {
	t.Parallel()
	h, c := repository(t)
	for _, verb := range []string{http.MethodGet, http.MethodPost} {
		var n atomic.Int32
		addr := registrytest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == verb {
				n.Add(1)
				http.Error(w, "<b>busy</b>", http.StatusServiceUnavailable)
				return
			}
			h.ServeHTTP(w, r)
		}))
		m := &git.Mirrors{Dir: t.TempDir(), Transport: wire(transport.Options{Attempts: 3})}
		err := m.Fetch(t.Context(), "http://"+addr+"/up", c, "main", t.Output())
		if err == nil || !strings.HasSuffix(err.Error(), "the server answered 503 Service Unavailable") || n.Load() != 3 {
			t.Errorf("%s: %v after %d attempts, want 3", verb, err, n.Load())
		}
	}
}

func TestIndexHeals(t *testing.T) {
	t.Parallel()
	body := make([]byte, 1<<20)
	sum := sha256.Sum256(body)
	busy := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }
	silent := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		w.Write(body[:len(body)/2])
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}
	for name, first := range map[string]http.HandlerFunc{
		"503": busy, "hung up": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "silent half way": silent,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var n atomic.Int32
			addr := registrytest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if n.Add(1) == 1 {
					first(w, r)
					return
				}
				http.ServeContent(w, r, "file", time.Time{}, strings.NewReader(string(body)))
			}))
			// Only a silent server is waited for; a short wait ends a slow one too.
			var opt transport.Options
			if name == "silent half way" {
				opt.Idle = 300 * time.Millisecond
			}
			c := &index.Client{HTTP: &http.Client{Transport: wire(opt)}}
			pin := index.Pin{Name: "tiny", File: "tiny.whl", URL: "http://" + addr + "/f", SHA256: hex.EncodeToString(sum[:]), Size: int64(len(body))}
			if _, err := c.Download(t.Context(), pin, t.TempDir(), nil); err != nil {
				t.Error(err)
			}
			if got := n.Load(); got < 2 || got > 2 && opt.Idle == 0 {
				t.Errorf("%d requests, want 2", got)
			}
		})
	}
}

// A registry that answers before it has read the body, and closes, is heard:
// the chunk is announced the second time.
func TestEarlyStatusIsShown(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	inner := registrytest.InMemory(t)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go refuseChunks(conn, inner)
		}
	}()
	c := client(registry.Options{Jobs: 1}, transport.Options{})
	img := image(t, 8<<20)
	got, err := c.Push(t.Context(), tag(t, l.Addr().String()+"/a/b:v1"), img, nil)
	if err == nil || !strings.Contains(err.Error(), "500 Internal Server Error") || !strings.Contains(err.Error(), "(request id 42-f)") {
		t.Errorf("got %v, want the status and its request id", err)
	}
	if limit := 2 * imageBytes(t, img); got.BytesSent > limit {
		t.Errorf("sent %d bytes, at most %d were needed", got.BytesSent, limit)
	}
}

// refuseChunks passes requests on, and answers a PATCH unread.
func refuseChunks(conn net.Conn, inner string) {
	defer conn.Close()
	buf := make([]byte, 4096)
	n, err := conn.Read(buf)
	if err != nil {
		return
	}
	if strings.HasPrefix(string(buf[:n]), "PATCH") {
		io.WriteString(conn, "HTTP/1.1 500 Internal Server Error\r\nX-Request-Id: 42-f\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		return
	}
	out, err := net.Dial("tcp", inner)
	if err != nil {
		return
	}
	defer out.Close()
	head := strings.Replace(string(buf[:n]), "\r\n", "\r\nConnection: close\r\n", 1)
	io.WriteString(out, head)
	go io.Copy(out, conn)
	io.Copy(conn, out)
}

// A registry that stays silent ends a push, and so does the user.
func TestInterruptEndsAWait(t *testing.T) {
	t.Parallel()
	_, addr := before(t, inProcess(t), &rule{Match: anything, Times: -1, Do: status(503, "Retry-After", "200")})
	ctx, cancel := context.WithCancel(t.Context())
	c := registry.New(registry.Options{Transport: transport.New(transport.Base(nil, nil), transport.Options{
		Notice: func(context.Context, transport.Notice) { cancel() },
	})})
	if _, err := c.Push(ctx, tag(t, addr+"/a/b:v1"), image(t, 10), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context canceled", err)
	}
}

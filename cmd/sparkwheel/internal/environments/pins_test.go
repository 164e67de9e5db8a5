package environments

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/base"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
	"github.com/sparkwheel/sparkwheel/wheel/index"
)

type notes []string

// Report implements stage.Reporter.
func (n *notes) Report(e stage.Event) {
	if e.Kind == stage.Note {
		*n = append(*n, e.Text)
	}
}

// A file that its index gives no sha256 of is downloaded and locked by what came;
// a locked file that is gone names the line that pins it.
func TestHash(t *testing.T) {
	t.Parallel()
	content := []byte("a wheel")
	gone := false
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if gone {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(content)
	}))
	t.Cleanup(s.Close)
	st, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	env := host.Env{Store: st, Index: &index.Client{HTTP: s.Client()}}
	b := &base.Base{Python: base.Python{Version: "3.12", Full: "3.12.3", GLIBC: "2.39", Machine: "aarch64"}}
	text := fmt.Sprintf("lock-version = \"1.0\"\n\n[[packages]]\nname = \"x\"\nversion = \"1.0\"\nwheels = [{ url = \"%s/x-1.0-py3-none-any.whl\", hashes = { md5 = %q } }]\n",
		s.URL, "d9ae7e8ac5a7f2b2a1b5d3c1e0f00000")
	var said notes
	hash := func(text string) ([]byte, error) {
		g := &stage.Graph{Clock: time.Now}
		hashed := stage.Add(g, "hash", func(ctx context.Context, run *stage.Run) ([]byte, error) {
			return Hash(ctx, env, b, "x", []byte(text), run)
		})
		if err := g.Run(t.Context(), 1, &said); err != nil {
			return nil, err
		}
		return hashed.Value(), nil
	}
	if _, err := hash(text); err == nil || !strings.Contains(err.Error(), "md5 is ") {
		t.Errorf("another md5 gave %v", err)
	}
	got, err := hash(strings.Replace(text, "md5", "blake3", 1))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(content)
	hexSum := hex.EncodeToString(sum[:])
	if len(said) != 1 || !strings.Contains(said[0], "x-1.0-py3-none-any.whl: its index has no sha256; it was downloaded and locked as "+hexSum) {
		t.Errorf("said %q", said)
	}
	pins, err := Pins(b, recipe.NewSet("x", got))
	if err != nil || len(pins) != 1 || pins[0].SHA256 != hexSum || pins[0].Origin != "pylock.x.toml:6" {
		t.Fatalf("%+v, %v", pins, err)
	}
	gone = true
	_, err = env.Index.Download(t.Context(), pins[0], t.TempDir(), nil)
	if _, ok := errors.AsType[*index.GoneError](err); !ok || !strings.Contains(err.Error(), "(pinned in pylock.x.toml:6)") {
		t.Error(err)
	}
}

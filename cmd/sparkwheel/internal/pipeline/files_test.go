package pipeline

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
	"github.com/sparkwheel/sparkwheel/wheel/index"
)

// notes hears what stages tell the user.
type notes struct{ strings.Builder }

func (n *notes) Report(e stage.Event) {
	if e.Kind == stage.Note {
		n.WriteString(e.Text + "\n")
	}
}

// lockFileNow locks one file as a run of `sparkwheel lock` does.
func lockFileNow(t *testing.T, dir string, f recipe.File, before *recipe.Lock, up Upgrade) (recipe.LockedFile, string, error) {
	t.Helper()
	st, err := store.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	s := &resolving{env: host.Env{Store: st, Index: &index.Client{}}, recipe: &recipe.Recipe{Files: []recipe.File{f}}, before: before, upgrade: up}
	g := &stage.Graph{}
	all := s.addFiles(g)
	var said notes
	if err := g.Run(t.Context(), 1, &said); err != nil {
		return recipe.LockedFile{}, said.String(), err
	}
	return all[0].Value(), said.String(), nil
}

func TestLockFile(t *testing.T) {
	t.Parallel()
	const abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
	const abd = "a52d159f262b2c6ddb724a61840befc36eb30c88877a4030b65cbe86298449c9"
	body := []byte("abc")
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/f" {
			http.NotFound(w, r)
			return
		}
		http.ServeContent(w, r, "f", time.Time{}, bytes.NewReader(body))
	}))
	defer s.Close()
	dir := t.TempDir()
	f := recipe.File{Name: "f", URL: s.URL + "/f"}
	want := recipe.LockedFile{Name: "f", URL: s.URL + "/f", SHA256: abc, Size: 3}
	none := &recipe.Lock{}

	got, said, err := lockFileNow(t, dir, f, none, Upgrade{})
	if err != nil || got != want || !strings.Contains(said, "has no sha256; pinned what "+f.URL+" serves today: "+abc+", 3 bytes") {
		t.Fatalf("locked %+v (%v), said %q", got, err, said)
	}
	body = []byte("abd")
	held := &recipe.Lock{Files: []recipe.LockedFile{want}}
	if got, said, err := lockFileNow(t, dir, f, held, Upgrade{}); err != nil || got != want || said != "" {
		t.Errorf("a held file became %+v (%v), said %q", got, err, said)
	}
	want.SHA256 = abd
	if got, _, err := lockFileNow(t, dir, f, held, Upgrade{Names: []string{"f"}}); err != nil || got != want {
		t.Errorf("upgraded, it is %+v (%v), want %+v", got, err, want)
	}
	f.SHA256 = strings.Repeat("0", 64)
	_, _, err = lockFileNow(t, dir, f, held, Upgrade{})
	if err == nil || !strings.Contains(err.Error(), f.URL+" has the sha256 "+abd+", but the recipe says "+f.SHA256) {
		t.Errorf("another sha256 than the recipe's gave %v", err)
	}
	f.SHA256 = abd
	if got, said, err := lockFileNow(t, dir, f, none, Upgrade{}); err != nil || got != want || said != "" {
		t.Errorf("what the recipe vouches for became %+v (%v), said %q", got, err, said)
	}
	f.URL = s.URL + "/g"
	f.SHA256 = ""
	if _, _, err := lockFileNow(t, dir, f, none, Upgrade{}); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("a file that is not there gave %v", err)
	}
}

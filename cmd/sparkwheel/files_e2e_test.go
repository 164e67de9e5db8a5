package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A file by URL is locked, seen by a wheel's build at two places, and in the
// image; plan names what an upgrade of it changes, and no more.
func TestE2EFileInABuild(t *testing.T) {
	w := openWorkshop(t)
	text := "one"
	files := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(text)) }))
	t.Cleanup(files.Close)
	w.write("recipe.toml", strings.Replace(workshopRecipe, `environment = { ALPHA_VERSION = "{version}" }`,
		"environment = { ALPHA_VERSION = \"{version}\" }\ninputs = { words = \"/opt/words\", same = \"alpha/words.py\" }", 1)+`
[[file]]
name = "words"
url = "https://files.example.com/words"
image = "/opt/words.txt"
[[file]]
name = "same"
url = "https://files.example.com/same"
sha256 = "4a44dc15364204a80fe80e9039455cc1608281820fe2b24f1e5233ade6af1dd5" # "10"
`)
	w.write("git/org/alpha.git/setup.py", strings.Replace(w.read("git/org/alpha.git/setup.py"), "import os\n", "import os\nprint('it says', open('/opt/words').read())\n", 1))
	w.commit("alpha", "read words")
	run := func(command string, args ...string) *running {
		return w.sparkwheel("", "root", command, append(args, "--lock", "../recipe.lock", "--mirror", "https://files.example.com/="+files.URL+"/")...)
	}
	base := []string{"--base", "tar:" + w.base, "--ref", "alpha=main"}
	run("lock", base...).wantCode(1, "file same: "+files.URL+"/same has the sha256", "the recipe says 4a44dc15")
	w.write("recipe.toml", strings.Replace(w.read("recipe.toml"), "4a44dc15364204a80fe80e9039455cc1608281820fe2b24f1e5233ade6af1dd5", sumOf([]byte(text)), 1))
	run("lock", base...).wantCode(0, "file words: the recipe has no sha256; pinned")
	c := run("build", "-o", "out", "-v")
	c.mustRun()
	if !strings.Contains(c.stderr.String(), "it says one") {
		t.Errorf("the build did not see the file:\n%s", c.stderr.String())
	}
	members := w.command("", "python3", "-m", "zipfile", "-l", filepath.Join(w.dir, "root/out/wheels/alpha-1.4-py3-none-any.whl")).mustRun()
	if !strings.Contains(members, "alpha/words.py") {
		t.Errorf("the wheel lacks the file that was put into its source:\n%s", members)
	}
	if got := run("plan").mustRun(); got != "nothing to do: every stage is cached" {
		t.Errorf("plan after a build:\n%s", got)
	}
	text = "two"
	run("lock", append(base, "--upgrade=words")...).wantCode(0, "file words: "+sumOf([]byte("one"))+" -> "+sumOf([]byte("two")))
	got := run("plan").mustRun()
	var names []string
	for line := range strings.Lines(got) {
		name, _, _ := strings.Cut(line, ":")
		names = append(names, name)
	}
	if strings.Join(names, ", ") != "wheel alpha, layer alpha, layer files, image" || !strings.Contains(got, "input words was ") {
		t.Errorf("plan after the file changed:\n%s", got)
	}
}

func (w *workshop) read(name string) string {
	w.t.Helper()
	text, err := os.ReadFile(filepath.Join(w.dir, name))
	w.must(err)
	return string(text)
}

// commit records what was written into one of the upstream projects.
func (w *workshop) commit(name, message string) {
	w.t.Helper()
	dir := filepath.Join(w.dir, "git/org", name+".git")
	for _, args := range [][]string{{"add", "-A", "-f"}, {"commit", "-q", "-m", message}} {
		w.command("", "git", append([]string{"-C", dir, "-c", "user.name=a", "-c", "user.email=a@example.com"}, args...)...).mustRun()
	}
}

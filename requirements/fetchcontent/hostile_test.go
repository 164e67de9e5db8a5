package fetchcontent

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/sparkwheel/sparkwheel/requirements/cmake"
)

func oneFile(text string) fs.FS { return fstest.MapFS{"CMakeLists.txt": {Data: []byte(text)}} }

// What would keep the reader busy for ever is refused.
func TestReadRefuses(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ text, want string }{
		"an endless loop":     {"while(1)\nendwhile()", "commands to evaluate"},
		"calls that double":   {"function(f)\nif(X)\nf()\nelse()\nf()\nendif()\nendfunction()\nf()", "commands to evaluate"},
		"a value that grows":  {"set(A aaaaaaaa)\nforeach(i RANGE 60)\nset(A ${A}${A})\nendforeach()", "grow beyond"},
		"many lists":          {"foreach(i RANGE 40000)\nforeach(j RANGE 40000)\nset(x 1)\nendforeach()\nendforeach()", "commands to evaluate"},
		"deep blocks":         {strings.Repeat("if(1)\n", 10000) + strings.Repeat("endif()\n", 10000), "nested too deeply"},
		"an if without end":   {"if(1)\n", "no endif() ends a block"},
		"an end without if":   {"\nendif()\n", "CMakeLists.txt:2: endif() without its beginning"},
		"ends that cross":     {"if(1)\nforeach(a b)\nendif()\nendforeach()", "endif() without its beginning"},
		"no closing":          {"set(a", "no ) closes set"},
		"a bad reference":     {"set(a ${b c})", "CMakeLists.txt:1"},
		"a reference's depth": {"set(a " + strings.Repeat("${", 500) + ")", "nested too deeply"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Read(oneFile(tt.text), Options{Root: "/build/src"})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Read = %v, want %q", err, tt.want)
			}
		})
	}
}

func TestReadPassesOver(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	outside := filepath.Join(t.TempDir(), "outside.cmake")
	for file, text := range map[string]string{
		outside:                              "FetchContent_Declare(outside GIT_REPOSITORY https://example.com/x.git)",
		filepath.Join(dir, "large.cmake"):    strings.Repeat("# a line\n", maxFile/8),
		filepath.Join(dir, "longline.txt"):   "set(A \"" + strings.Repeat("x", 1<<20) + "\")",
		filepath.Join(dir, "CMakeLists.txt"): "include(link.cmake)\ninclude(large.cmake)\ninclude(longline.txt)\ninclude(pipe.cmake)\nFetchContent_Declare(after GIT_REPOSITORY https://example.com/after.git)",
	} {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(outside, filepath.Join(dir, "link.cmake")); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	result, err := Read(root.FS(), Options{Root: "/build/src"})
	if err != nil {
		t.Fatal(err)
	}
	if len(result.Contents) != 1 || result.Contents[0].Name != "after" {
		t.Errorf("found %+v", result.Contents)
	}
	notes := describe(&Result{Notes: result.Notes})
	for _, want := range []string{"link.cmake", "large.cmake is skipped: it is larger than 4 MiB", "include(pipe.cmake): the file does not exist"} {
		if !strings.Contains(notes, want) {
			t.Errorf("the notes do not say %q:\n%s", want, notes)
		}
	}
	if result, err := Read(fstest.MapFS{}, Options{Root: "/build/src"}); err != nil || len(result.Contents) != 0 || len(result.Notes) != 1 {
		t.Errorf("a tree without CMake gave %+v, %v", result, err)
	}
}

// Settled variables and the environment decide, whatever the files set.
func TestReadIsToldVariables(t *testing.T) {
	t.Parallel()
	_, tree := fixture(t, "testdata/undecided.txtar")
	result, err := Read(tree, Options{Root: "/build/src", Variables: map[string]string{
		"LANG": "HIP", "CUDA_FOUND": "", "HIP_FOUND": "1", "ASIMD_FOUND": "OFF", "DONE_ALREADY": "0", "FROM_PACKAGE": "one", "ALSO_FROM_PACKAGE": "https://example.com/one.git", "BOTH": "b",
	}})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range result.Contents {
		if len(c.When)+len(c.Open)+len(c.Rivals) > 0 {
			t.Errorf("still open: %+v", c)
		}
		names = append(names, c.Name+"="+c.Tag)
	}
	if got := strings.Join(names, " "); got != "both=v1 Rival=v3 one=v1 loop=v1 late=b" {
		t.Errorf("found %s", got)
	}

	_, tree = fixture(t, "testdata/overrides.txtar")
	result, err = Read(tree, Options{Root: "/build/src", Environment: map[string]string{"KERNELS_SRC_DIR": "/x", "DIRECT_SRC_DIR": "/y"}})
	if err != nil || len(result.Contents) != 0 {
		t.Errorf("with places in the environment, found %+v, %v", result.Contents, err)
	}
}

func FuzzRead(f *testing.F) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		a, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(a.Files[0].Data), string(a.Files[1].Data))
	}
	f.Add("while(X)\nforeach(a IN LISTS X)\nbreak()\nendforeach()\nendwhile()\nif(A AND (B OR NOT C)\n)\nreturn()\nendif()\ninclude(a.cmake)", "include(CMakeLists.txt)")
	f.Fuzz(func(t *testing.T, top, included string) {
		tree := fstest.MapFS{"CMakeLists.txt": {Data: []byte(top)}, "a.cmake": {Data: []byte(included)}, "sub/CMakeLists.txt": {Data: []byte(included)}}
		result, err := Read(tree, Options{Root: "/build/src"})
		if _, syntax := errors.AsType[*cmake.SyntaxError](err); err != nil && !syntax && !strings.Contains(err.Error(), ":") {
			t.Errorf("the error %v has no place", err)
		}
		if err != nil {
			return
		}
		for _, c := range result.Contents {
			if c.Name == "" && len(c.Open) == 0 || c.At.Line < 1 {
				t.Errorf("content %+v has neither name nor reason", c)
			}
		}
	})
}

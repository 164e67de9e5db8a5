package inspect_test

import (
	"debug/elf"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/wheel/inspect"
	"github.com/sparkwheel/sparkwheel/wheel/inspect/elftest"
)

// member is a member of a static library as ar writes it.
func member(name string, content []byte) string {
	s := fmt.Sprintf("%-16s%-12d%-6d%-6d%-8o%-10d`\n%s", name, 0, 0, 0, 0o644, len(content), content)
	if len(content)%2 == 1 {
		s += "\n"
	}
	return s
}

func archiveOf(members ...string) []byte { return []byte("!<arch>\n" + strings.Join(members, "")) }

func TestArchive(t *testing.T) {
	t.Parallel()
	object := elftest.ELF{Type: elf.ET_REL, RelFatbin: elftest.Container(elftest.SASS(121, elftest.Specific, 1))}.Bytes()
	odd := append(slices.Clip(object), 0)
	for name, tt := range map[string]struct {
		content []byte
		want    []string
	}{
		"GNU": {archiveOf(member("/", make([]byte, 4)), member("//", []byte("a_long_name_of_an_object.o/\n")), member("short.o/", odd), member("/0", object)),
			[]string{"x(short.o)", "x(a_long_name_of_an_object.o)"}},
		"BSD":              {archiveOf(member("__.SYMDEF", make([]byte, 5)), member("#1/12", append([]byte("long name.o\x00"), object...))), []string{"x(long name.o)"}},
		"text in it":       {archiveOf(member("README/", []byte("text")), member("a.o/", object)), []string{"x(a.o)"}},
		"nothing in it":    {archiveOf(), nil},
		"an archive in it": {archiveOf(member("b.a/", archiveOf(member("a.o/", object)))), nil},
	} {
		for _, step := range []int{1, 1 << 20} {
			files, _, err := scan(tt.content, step, inspect.Options{})
			var paths []string
			for _, f := range files {
				paths = append(paths, f.Path)
				if f.Kind != inspect.Object || len(f.Containers) != 1 || !f.Containers[0].Linkable() {
					t.Errorf("%s: %+v", name, f)
				}
			}
			if diff := cmp.Diff(tt.want, paths); diff != "" || err != nil {
				t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
			}
		}
	}
}

func TestArchiveHostile(t *testing.T) {
	t.Parallel()
	for name, content := range map[string][]byte{
		"a member cut off":         []byte(string(archiveOf(member("a.o/", make([]byte, 200))))[:150]),
		"a header cut off":         archiveOf("abc                                                         "[:30]),
		"a size that is no number": []byte(strings.Replace(string(archiveOf(member("a.o/", make([]byte, 77)))), "77 ", "-7 ", 1)),
		"a name of a gigabyte":     archiveOf(member("#1/1000000000", make([]byte, 77))),
		"a negative name":          archiveOf(member("#1/-1", make([]byte, 77))),
		"names of a gigabyte":      []byte(strings.Replace(string(archiveOf(member("//", make([]byte, 77)))), "77        ", "1000000000", 1)),
		"a damaged object":         archiveOf(member("a.o/", library.Bytes()[:500])),
	} {
		if files, _, err := scan(content, 100, inspect.Options{}); err == nil {
			t.Errorf("%s: taken for %v", name, files)
		}
	}
}

// TestArchiveAgain reads an archive of which one object has to come by again.
func TestArchiveAgain(t *testing.T) {
	t.Parallel()
	odd := library
	odd.Before = make([]byte, 9<<20)
	content := archiveOf(member("a.o/", library.Bytes()), member("b.o/", movedStrings(t, odd.Bytes())), member("c.o/", library.Bytes()))
	files, passes, err := scan(content, 1<<20, inspect.Options{})
	if err != nil || passes < 2 || len(files) != 3 {
		t.Fatalf("%d files in %d passes, %v", len(files), passes, err)
	}
	for _, f := range files {
		if f.SONAME != "libx.so.1" || len(f.Containers) != 3 {
			t.Errorf("%+v", f)
		}
	}
}

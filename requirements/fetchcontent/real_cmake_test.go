package fetchcontent

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

var projects = flag.Int("projects", 4, "how many random projects to compare with cmake")

// recorder is a FetchContent module that fetches nothing and writes down what
// it was asked for.
const recorder = `
macro(record way)
  cmake_parse_arguments(PARSE_ARGV 1 GOT "" "GIT_REPOSITORY;GIT_TAG;URL" "GIT_SUBMODULES;SOURCE_DIR;PATCH_COMMAND")
  string(TOLOWER "${name}" key)
  get_property(seen GLOBAL PROPERTY "SEEN_${key}")
  if(NOT seen AND (DEFINED GOT_GIT_REPOSITORY OR DEFINED GOT_URL))
    set_property(GLOBAL PROPERTY "SEEN_${key}" 1)
    file(APPEND "${RECORD}" "${way} ${name} ${GOT_GIT_REPOSITORY}${GOT_URL} ${GOT_GIT_TAG}\n")
  endif()
endmacro()
function(FetchContent_Declare name)
  record(FetchContent_Declare)
endfunction()
function(FetchContent_Populate name)
  record(FetchContent_Populate)
endfunction()
function(FetchContent_MakeAvailable)
endfunction()
`

// realCMake configures the project in dir with the recorder in FetchContent's
// place, and returns what it recorded.
func realCMake(t *testing.T, dir string, args ...string) []string {
	t.Helper()
	modules, build := t.TempDir(), t.TempDir()
	record := filepath.Join(modules, "record")
	if err := os.WriteFile(filepath.Join(modules, "recorder.cmake"), []byte(recorder), 0o644); err != nil {
		t.Fatal(err)
	}
	// CMake looks for a module where the project says, then in its own place:
	// the definitions have to come after the true module's.
	hook := filepath.Join(modules, "FetchContent.cmake")
	if err := os.WriteFile(hook, []byte("include(${CMAKE_CURRENT_LIST_DIR}/recorder.cmake)\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	args = append([]string{"-S", dir, "-B", build, "-DRECORD=" + record, "-DCMAKE_MODULE_PATH=" + modules}, args...)
	cmd := exec.CommandContext(t.Context(), "cmake", args...)
	cmd.Env = append(os.Environ(), "CC=/bin/false")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("cmake: %v\n%s", err, out)
	}
	text, err := os.ReadFile(record)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}

// said is what the reader found, as the recorder writes it.
func said(r *Result) []string {
	var all []string
	for _, c := range r.Contents {
		tag := c.Tag
		if c.Archive != "" || tag == "master" {
			tag = ""
		}
		all = append(all, fmt.Sprintf("%s %s %s%s %s", c.Way, c.Name, c.URL, c.Archive, tag))
	}
	return all
}

func needCMake(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("cmake"); err != nil {
		t.Skip("needs cmake, to compare with")
	}
}

// What cmake itself makes of the fixtures is what the reader finds in them.
func TestAgreesWithCMake(t *testing.T) {
	t.Parallel()
	needCMake(t)
	for _, name := range []string{"overrides", "calls", "grammar"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, tree := fixture(t, "testdata/"+name+".txtar")
			dir := t.TempDir()
			if err := os.CopyFS(dir, tree); err != nil {
				t.Fatal(err)
			}
			if name == "calls" {
				// Its module path replaces the recorder's.
				if err := os.WriteFile(filepath.Join(dir, "cmake/FetchContent.cmake"), []byte(recorder), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			result, err := Read(tree, Options{Root: "/build/src"})
			if err != nil {
				t.Fatal(err)
			}
			want := realCMake(t, dir)
			got := said(result)
			for i := range got {
				got[i] = strings.Replace(got[i], " main", " origin/main", 1)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-cmake +reader):\n%s", a.Comment, diff)
			}
		})
	}
}

// Projects of random commands, all of whose values are known, mean to the
// reader what they mean to cmake.
func TestAgreesWithCMakeOnRandomProjects(t *testing.T) {
	t.Parallel()
	needCMake(t)
	for seed := range *projects {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			g := &generator{Rand: rand.New(rand.NewPCG(uint64(seed), 7))}
			text := "cmake_minimum_required(VERSION 3.25)\nproject(random NONE)\ninclude(FetchContent)\n" + g.start() + g.block(0, 120)
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "CMakeLists.txt"), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			result, err := Read(fstest.MapFS{"CMakeLists.txt": {Data: []byte(text)}}, Options{Root: "/build/src"})
			if err != nil && strings.Contains(err.Error(), "grow beyond") {
				t.Skip("a variable doubles in a loop:", err)
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range result.Contents {
				if len(c.When)+len(c.Open) > 0 {
					t.Errorf("not decided: %+v", c)
				}
			}
			want := realCMake(t, dir)
			if len(want) < 10 {
				t.Errorf("the project declares only %d contents", len(want))
			}
			if diff := firstDifference(want, said(result)); diff != "" {
				t.Errorf("%s\nin\n%s", diff, text)
			}
		})
	}
}

// Whatever cmake is told of variables that the reader does not know, what it
// fetches then is among what the reader found.
func TestMissesNothingThatIsUndecided(t *testing.T) {
	t.Parallel()
	needCMake(t)
	for seed := range max(*projects/2, 2) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			g := &generator{Rand: rand.New(rand.NewPCG(uint64(seed), 11)), open: []string{"FOUND", "VERSION", "THIRD"}}
			text := "cmake_minimum_required(VERSION 3.25)\nproject(random NONE)\ninclude(FetchContent)\n" + g.start() + g.block(0, 60)
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "CMakeLists.txt"), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			result, err := Read(fstest.MapFS{"CMakeLists.txt": {Data: []byte(text)}}, Options{Root: "/build/src"})
			if err != nil {
				t.Skip("a variable doubles in a loop:", err)
			}
			found := map[string]Content{}
			for _, c := range result.Contents {
				found[c.Name] = c
			}
			for range 4 {
				var told []string
				for _, v := range g.open {
					if g.IntN(3) > 0 {
						told = append(told, "-D"+v+"="+g.pick([]string{"ON", "0", "v1", "2.10.0", "x-NOTFOUND"}))
					}
				}
				for _, line := range realCMake(t, dir, told...) {
					name, _, _ := strings.Cut(strings.TrimPrefix(line, "FetchContent_Declare "), " ")
					c, ok := found[name]
					if !ok && !slices.ContainsFunc(result.Contents, func(c Content) bool { return c.Name == "" }) {
						t.Errorf("told %q, cmake asks for %q, and the reader did not find it in\n%s", told, line, text)
					} else if ok && len(c.Open) == 0 && said(&Result{Contents: []Content{c}})[0] != line {
						t.Errorf("told %q, cmake asks for %q; the reader has %+v in\n%s", told, line, c, text)
					}
				}
			}
		})
	}
}

func firstDifference(want, got []string) string {
	for i := range max(len(want), len(got)) {
		if i >= len(want) || i >= len(got) || want[i] != got[i] {
			return fmt.Sprintf("of %d contents, number %d is the first to differ (-cmake +reader):\n%s", len(want), i, cmp.Diff(want[i:min(i+1, len(want))], got[i:min(i+1, len(got))]))
		}
	}
	return ""
}

// generator writes CMake. Every variable has a known value, but for open.
type generator struct {
	*rand.Rand
	open     []string
	declared int
	depth    int
}

var (
	names  = []string{"A", "B", "C", "D_1", "E"}
	values = []string{"v1", "2.10.0", "x;y", `"p q"`, `""`, "ON", "OFF", "A", "B", `a\;b`, `"a;b\;c"`, "[=[br;ack]=]", "3", "-1.5", "NO", "x-NOTFOUND", "Y"}
)

func (g *generator) pick(list []string) string { return list[g.IntN(len(list))] }

func (g *generator) start() string {
	var b strings.Builder
	for _, n := range names {
		fmt.Fprintf(&b, "set(%s %s)\n", n, g.pick(values))
	}
	b.WriteString("set(REF C)\n")
	b.WriteString("function(pass name tag)\n  set(A ${tag})\n  set(B \"${ARGN}\" PARENT_SCOPE)\n  FetchContent_Declare(${name} GIT_REPOSITORY \"https://example.com/${ARGC}.git\" GIT_TAG \"${A}${ARGV1}\")\nendfunction()\n")
	b.WriteString("macro(paste name tag)\n  set(C ${tag})\n  FetchContent_Declare(${name} GIT_REPOSITORY \"https://example.com/${ARGC}-${ARGN}.git\" GIT_TAG \"${C}\")\nendmacro()\n")
	return b.String()
}

// value is a value or a reference to one.
func (g *generator) value() string {
	switch g.IntN(6) {
	case 0:
		if len(g.open) > 0 && g.IntN(3) == 0 {
			return `"${` + g.pick(g.open) + `}"`
		}
		return "${" + g.pick(names) + "}"
	case 1:
		return `"${` + g.pick(names) + `}-${` + g.pick(names) + `}"`
	case 2:
		return "pre${" + g.pick(names) + "}"
	}
	return g.pick(values)
}

func (g *generator) name() string {
	g.declared++
	return fmt.Sprintf("c%d", g.declared)
}

func (g *generator) block(depth, commands int) string {
	var b strings.Builder
	for range commands {
		b.WriteString(strings.Repeat("  ", depth) + g.command(depth) + "\n")
	}
	return b.String()
}

func (g *generator) command(depth int) string {
	n := g.pick(names)
	switch k := g.IntN(14); {
	case k < 3:
		return "set(" + n + " " + g.value() + " " + g.value() + ")"
	case k == 3:
		return g.pick([]string{"list(APPEND " + n + " " + g.value() + ")", "list(LENGTH A " + n + ")", "string(TOUPPER \"${A}\" " + n + ")",
			"string(REPLACE v w " + n + " \"${" + n + "}\")", "string(CONCAT " + n + " a " + g.value() + ")", "string(APPEND " + n + " z)", "unset(B)", "set(REF " + n + ")"})
	case k == 4:
		return "pass(" + g.name() + " " + g.pick([]string{"t1", `"${A}"`, `"t 2"`}) + " " + g.value() + ")"
	case k == 5:
		return "paste(" + g.name() + " " + g.pick([]string{"t1", `"${B}"`}) + " " + g.value() + ")"
	case k < 9 && depth < 3:
		return "if(" + g.condition() + ")\n" + g.block(depth+1, 3) + "elseif(" + g.condition() + ")\n" + g.block(depth+1, 2) + "else()\n" + g.block(depth+1, 2) + "endif()"
	case k == 9 && depth < 3 && len(g.open) == 0: // a loop that is not decided is read once
		// The name tells which turn it was: a second one of it would not count.
		body := "FetchContent_Declare(" + g.name() + "-${turn} GIT_REPOSITORY https://example.com/loop.git GIT_TAG \"${item}\")\n"
		return "set(turn 0)\nforeach(item " + g.pick([]string{"IN LISTS A C", "IN ITEMS x y", "a b ${A}", "RANGE 2", "RANGE 3 9 3"}) + ")\nstring(APPEND turn i)\n" +
			body + "if(" + g.condition() + ")\n" + g.pick([]string{"break()", "continue()", "set(E ${item})"}) + "\nendif()\n" + g.block(depth+2, 1) + "endforeach()"
	}
	return "FetchContent_Declare(" + g.name() + " GIT_REPOSITORY \"https://example.com/" + g.pick([]string{"a", "${A}", "${${REF}}x", "$ENV{NOT_THERE}"}) + ".git\" GIT_TAG \"" + g.pick([]string{"v1", "${B}", "${C}", `\${A}`, "a\\tb"}) + "\")"
}

func (g *generator) condition() string {
	if g.depth++; g.depth > 3 {
		g.depth--
		return g.pick(names)
	}
	defer func() { g.depth-- }()
	n := g.pick(names)
	if len(g.open) > 0 && g.IntN(3) == 0 {
		u := g.pick(g.open)
		return g.pick([]string{u, "NOT " + u, "DEFINED " + u, `"${` + u + `}" STREQUAL v1`, u + " VERSION_LESS 3.1", n + " AND NOT " + u})
	}
	op := g.pick([]string{"STREQUAL", "EQUAL", "LESS", "GREATER_EQUAL", "VERSION_LESS", "VERSION_GREATER_EQUAL", "STRLESS", "IN_LIST"})
	return g.pick(slices.Concat([]string{
		n, "NOT " + n, "DEFINED " + n, "DEFINED ENV{NOT_THERE}", `"${` + n + `}"`, `"${` + n + `}" ` + op + " " + g.pick(names),
		n + " " + op + " " + g.pick(names), n + ` MATCHES "^[a-x]+"`, "WIN32", "UNIX", "1", "0", `"ON"`, "EXISTS ${CMAKE_SOURCE_DIR}/CMakeLists.txt",
	}, []string{
		g.condition() + " AND " + g.condition(), g.condition() + " OR " + g.condition(), "NOT (" + g.condition() + ")", "(" + g.condition() + " OR " + n + ") AND NOT " + n,
	}))
}

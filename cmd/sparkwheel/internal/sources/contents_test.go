package sources

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
)

// chosen are the contents of a project whose CMakeLists.txt has that text, for
// a wheel with these keys of fetchcontent.
func chosen(t *testing.T, text string, f recipe.FetchContent) ([]Wanted, error) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "CMakeLists.txt"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	w := recipe.Wheel{Name: "w", Source: "s", FetchContent: &f, Environment: map[string]string{"TAG": "{version}"}}
	r := &recipe.Recipe{Wheels: []recipe.Wheel{w}, Sources: []recipe.Source{{Name: "s", Files: map[string]string{"made.cmake": "set(MADE v{version})\n"}}}}
	src := Resolved{recipe.LockedSource{Version: "1.2", Commit: strings.Repeat("a", 40)}, &Tree{Dir: dir}}
	found, err := ReadContents(r, w, src, "aarch64")
	if err != nil {
		t.Fatal(err)
	}
	return ChooseContents(w, found, func(string, ...any) {})
}

func TestContentsAreChosen(t *testing.T) {
	t.Parallel()
	got, err := chosen(t, `include(made.cmake)
if(DEFINED ENV{DIRECT_SRC_DIR})
  set(DIRECT_SRC_DIR $ENV{DIRECT_SRC_DIR})
endif()
if(DIRECT_SRC_DIR)
  set(direct_SOURCE_DIR ${DIRECT_SRC_DIR})
else()
  FetchContent_Populate(direct GIT_REPOSITORY https://example.com/d.git GIT_TAG $ENV{TAG} GIT_SUBMODULES "a")
endif()
FetchContent_Declare(Kernel-s GIT_REPOSITORY https://example.com/k.git GIT_TAG ${MADE})
FetchContent_Declare(arm GIT_REPOSITORY https://example.com/${CMAKE_SYSTEM_PROCESSOR}.git GIT_TAG ${NOWHERE})
FetchContent_Declare(left GIT_REPOSITORY ${NOWHERE} GIT_TAG v1)
FetchContent_Declare(patched URL https://example.com/a.zip PATCH_COMMAND git apply x)
`, recipe.FetchContent{
		LeaveOut: []string{"left"},
		Repositories: map[string]recipe.ContentRepository{
			"arm": {Ref: "v2", Environment: "ARM_DIR"}, "more": {URL: "https://example.com/m.git", Ref: "v3", Submodules: []string{}},
			"patched": {URL: "https://example.com/p.git", Ref: "v4", Patches: []recipe.Patch{{File: "p.diff"}}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	all := []string{"*"}
	want := []recipe.LockedContent{
		{Name: "arm", From: "CMakeLists.txt:11", URL: "https://example.com/aarch64.git", Ref: "v2", Checkout: all, Environment: "ARM_DIR"},
		{Name: "direct", From: "CMakeLists.txt:8", URL: "https://example.com/d.git", Ref: "1.2", Checkout: []string{"a"}, Environment: "DIRECT_SRC_DIR"},
		{Name: "Kernel-s", From: "CMakeLists.txt:10", URL: "https://example.com/k.git", Ref: "v1.2", Checkout: all, Argument: "FETCHCONTENT_SOURCE_DIR_KERNEL-S"},
		{Name: "more", From: "the recipe", URL: "https://example.com/m.git", Ref: "v3", Checkout: []string{}, Argument: "FETCHCONTENT_SOURCE_DIR_MORE"},
		{Name: "patched", From: "CMakeLists.txt:13", URL: "https://example.com/p.git", Ref: "v4", Checkout: all, Argument: "FETCHCONTENT_SOURCE_DIR_PATCHED"},
	}
	var locked []recipe.LockedContent
	var contents []Content
	for _, w := range got {
		locked = append(locked, w.Locked)
		contents = append(contents, Content{Locked: w.Locked})
	}
	if diff := cmp.Diff(want, locked); diff != "" {
		t.Errorf("contents (-want +got):\n%s", diff)
	}
	environment := map[string]string{"CMAKE_ARGS": "-DA=1", "B": "2"}
	variables := WithContents(environment, &recipe.FetchContent{Arguments: "CMAKE_ARGS"}, contents)
	if diff := cmp.Diff(map[string]string{
		"B": "2", "ARM_DIR": "/build/src-deps/arm", "DIRECT_SRC_DIR": "/build/src-deps/direct",
		"CMAKE_ARGS": "-DA=1 -DFETCHCONTENT_SOURCE_DIR_KERNEL-S=/build/src-deps/kernel-s -DFETCHCONTENT_SOURCE_DIR_MORE=/build/src-deps/more -DFETCHCONTENT_SOURCE_DIR_PATCHED=/build/src-deps/patched",
	}, variables); diff != "" {
		t.Errorf("the build's environment (-want +got):\n%s", diff)
	}
	if len(environment) != 2 {
		t.Errorf("the recipe's environment became %v", environment)
	}
}

// Every fault names the line, what is not known, and the key that gives it.
func TestContentsThatStayOpen(t *testing.T) {
	t.Parallel()
	for text, wants := range map[string][]string{
		"\nFetchContent_Declare(a GIT_REPOSITORY https://e/a.git GIT_TAG v${X}.0)": {"wheel w: CMakeLists.txt:2: GIT_TAG v${X}.0 of a needs the variable X: no file that was read sets it; set variables.X or repository.a.ref", "[wheel.fetchcontent]"},
		"FetchContent_Declare(A GIT_REPOSITORY ${X} GIT_TAG v1)":                   {"set variables.X or repository.a.url"},
		"FetchContent_Declare(${X} GIT_REPOSITORY https://e/a.git)":                {"the name ${X}", "set variables.X"},
		"FetchContent_Declare(../a GIT_REPOSITORY https://e/a.git)":                {`"../a" cannot name a directory`},
		"FetchContent_Declare(a URL https://e/a.zip)":                              {"only git repositories", "repository.a.url"},
		"FetchContent_Declare(a GIT_REPOSITORY https://e/a.git PATCH_COMMAND x y)": {"PATCH_COMMAND", "set repository.a.patches"},
		"FetchContent_Populate(a GIT_REPOSITORY https://e/a.git GIT_TAG v1)":       {"ignores FETCHCONTENT_SOURCE_DIR_A", "set repository.a.environment"},
		"ExternalProject_Add(a GIT_REPOSITORY https://e/a.git GIT_TAG v1)":         {"ExternalProject_Add ignores"},
		"if(X)\nFetchContent_Declare(a GIT_REPOSITORY https://e/a.git GIT_TAG v1)\nelse()\nFetchContent_Declare(a GIT_REPOSITORY https://e/a.git GIT_TAG v2)\nendif()": {
			"v1 here and https://e/a.git at v2 in CMakeLists.txt:4", "depending on X", "set variables.X"},
	} {
		_, err := chosen(t, text, recipe.FetchContent{})
		if _, ok := errors.AsType[*ContentError](err); !ok {
			t.Errorf("%s gave %v", text, err)
			continue
		}
		for _, want := range wants {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s gave %v, want %q", text, err, want)
			}
		}
	}
	_, err := chosen(t, "FetchContent_Declare(a GIT_REPOSITORY https://e/a.git)", recipe.FetchContent{Repositories: map[string]recipe.ContentRepository{"b": {Ref: "v1"}}})
	if err == nil || !strings.Contains(err.Error(), "repository.b: the CMake files do not fetch it (they fetch a)") {
		t.Errorf("a repository that adds nothing gave %v", err)
	}
}

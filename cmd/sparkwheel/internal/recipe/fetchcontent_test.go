package recipe

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestFetchContent(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		text string
		want *FetchContent
	}{
		"none": {"", nil},
		"off":  {"fetchcontent = false\n", nil},
		"on":   {"fetchcontent = true\n", &FetchContent{Arguments: "CMAKE_ARGS"}},
		"a table": {
			"[wheel.fetchcontent]\nleave-out = [\"GoogleTest\"]\nvariables = { LANG = \"CUDA\" }\narguments = \"SKBUILD_CMAKE_ARGS\"\n[wheel.fetchcontent.repository.CutLass]\nref = \"v1\"\nsubmodules = []\n",
			&FetchContent{
				LeaveOut: []string{"googletest"}, Variables: map[string]string{"LANG": "CUDA"}, Arguments: "SKBUILD_CMAKE_ARGS",
				Repositories: map[string]ContentRepository{"cutlass": {Ref: "v1", Submodules: []string{}}},
			},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := Parse("r", "r.toml", []byte(minimal+tt.text))
			if err != nil {
				t.Fatal(err)
			}
			got := r.Wheels[0].FetchContent
			if got != nil && len(got.Repositories) == 0 {
				got.Repositories = nil
			}
			if diff := cmp.Diff(tt.want, got, cmpopts.IgnoreUnexported(FetchContent{})); diff != "" {
				t.Errorf("fetchcontent (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFetchContentFaults(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"fetchcontent = 3\n":                          `wheel "a": fetchcontent: it is neither true nor a table`,
		"[wheel.fetchcontent]\nleave_out = [\"x\"]\n": fmt.Sprintf("r.toml:%d:1: unknown key wheel.fetchcontent.leave_out (nearest known key: leave-out)", 2+strings.Count(minimal, "\n")),
		"fetchcontent = true\n[[wheel]]\nname = \"b\"\nfetchcontent.arguments = 7\n":                               fmt.Sprintf("r.toml:%d:26: ", 4+strings.Count(minimal, "\n")),
		"fetchcontent = false\n[[wheel]]\nname = \"b\"\nfetchcontent = { repository = { k = { uri = \"x\" } } }\n": fmt.Sprintf("r.toml:%d:39: unknown key wheel.uri (nearest known key: url)", 4+strings.Count(minimal, "\n")),
		"[wheel.fetchcontent]\narguments = \"a b\"\n":                                                              `arguments "a b" is not a variable name`,
		"[wheel.fetchcontent]\nleave-out = [\"x\"]\nrepository.X.ref = \"v1\"\n":                                   `"x" is both left out and given a repository`,
		"[wheel.fetchcontent.repository.\"../x\"]\nref = \"v1\"\n":                                                 `repository "../x": not a content name`,
		"[wheel.fetchcontent.repository.x]\nenvironment = \"A=B\"\n":                                               "is not a variable name",
		"[wheel.fetchcontent.repository.x]\npatches = [\"../../etc/passwd\"]\n":                                    "is not below the recipe's directory",
	} {
		if _, err := Parse("r", "r.toml", []byte(minimal+text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s gave %v, want %q", text, err, want)
		}
	}
}

func TestLockTellsWhatContentChanged(t *testing.T) {
	t.Parallel()
	one := LockedWheel{Name: "w", FetchContent: []LockedContent{{Name: "Kernels", URL: "u", Ref: "main", Commit: "a"}, {Name: "gone", URL: "g", Ref: "v1", Commit: "c"}}}
	two := LockedWheel{Name: "w", FetchContent: []LockedContent{{Name: "kernels", URL: "u", Ref: "main", Commit: "b", Submodules: []LockedSubmodule{{Path: "p", URL: "s", Commit: "d"}}}}}
	got := Diff(&Lock{Wheels: []LockedWheel{one}}, &Lock{Wheels: []LockedWheel{two}})
	want := []string{"w fetches kernels: main a -> main b", "w fetches gone: v1 c -> none"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Diff (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"s", "u"}, (&Lock{Wheels: []LockedWheel{two}}).RepositoryURLs()); diff != "" {
		t.Errorf("RepositoryURLs (-want +got):\n%s", diff)
	}
}

package packages

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/git"
)

func TestReadURIs(t *testing.T) {
	t.Parallel()
	got, err := readURIs(`W: something of no matter
'http://example.com/pool/v/vim-common_9.0-2%2bdeb12u2_all.deb' vim-common_2%3a9.0-2+deb12u2_all.deb 124836 MD5Sum:80f7
'https://example.com/b/libbrotli1_1.0.9-2_arm64.deb' libbrotli1_1.0.9-2_arm64.deb 274704 
`)
	if err != nil {
		t.Fatal(err)
	}
	want := []recipe.LockedDeb{
		{Name: "vim-common", Version: "2:9.0-2+deb12u2", Architecture: "all", URL: "http://example.com/pool/v/vim-common_9.0-2%2bdeb12u2_all.deb", Size: 124836},
		{Name: "libbrotli1", Version: "1.0.9-2", Architecture: "arm64", URL: "https://example.com/b/libbrotli1_1.0.9-2_arm64.deb", Size: 274704},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("debs (-want +got):\n%s", diff)
	}
	for text, want := range map[string]string{
		"'file:/srv/a_1_all.deb' a_1_all.deb 1 ":        "only http and https URLs",
		"'http://example.com/a.deb' a.deb 1 ":           "not NAME_VERSION_ARCHITECTURE.deb",
		"'http://example.com/a_1_all.deb' a_1_all.deb ": "not the URL of a package",
	} {
		if _, err := readURIs(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s gave %v", text, err)
		}
	}
}

func TestFindSHA256(t *testing.T) {
	t.Parallel()
	sums := [3]string{strings.Repeat("1", 64), strings.Repeat("2", 64), strings.Repeat("3", 64)}
	records := "Package: a\nVersion: 1\nArchitecture: all\nDescription: one\n Version: 9\nFilename: ./a_1_all.deb\nSize: 7\nSHA256: " + sums[0] + "\n\n" +
		"Package: a\nVersion: 1\nArchitecture: all\nFilename: pool/a_1_all.deb\nSize: 8\nSHA256: " + sums[1] + "\n\n" +
		"Package: a\nVersion: 2\nArchitecture: all\nFilename: pool/a_2_all.deb\nSize: 9\nMD5sum: 00\n"
	d := recipe.LockedDeb{Name: "a", Version: "1", Architecture: "all", URL: "http://example.com/a_1_all.deb", Size: 8}
	if got, err := findSHA256(records, d); err != nil || got != sums[1] {
		t.Errorf("findSHA256 = %s, %v", got, err)
	}
	d.Version, d.URL, d.Size = "2", "http://example.com/a_2_all.deb", 9
	if _, err := findSHA256(records, d); err == nil || !strings.Contains(err.Error(), "has no SHA256 of a 2 (all)") {
		t.Errorf("a record without SHA256 gave %v", err)
	}
}

func TestMarkBuildOnly(t *testing.T) {
	t.Parallel()
	python, cmake := recipe.LockedDeb{Name: "python3", Version: "3.11"}, recipe.LockedDeb{Name: "cmake", Version: "3.25"}
	got, err := markBuildOnly([]recipe.LockedDeb{python}, []recipe.LockedDeb{cmake, python})
	cmake.BuildOnly = true
	if diff := cmp.Diff([]recipe.LockedDeb{cmake, python}, got); diff != "" || err != nil {
		t.Errorf("markBuildOnly (-want +got): %v\n%s", err, diff)
	}
	other := recipe.LockedDeb{Name: "python3", Version: "3.12"}
	if _, err := markBuildOnly([]recipe.LockedDeb{python}, []recipe.LockedDeb{cmake, other}); err == nil {
		t.Error("a build with another python3 than the image's was accepted")
	}
}

func TestAptWords(t *testing.T) {
	t.Parallel()
	e := &aptError{"install", "Reading package lists...\nE: Unable to locate package nosuch\nE: Package 'old' has no installation candidate\n"}
	if diff := cmp.Diff([]string{"nosuch", "old"}, e.unknown()); diff != "" {
		t.Errorf("unknown (-want +got):\n%s", diff)
	}
	if want := "apt-get install says:\n  E: Unable to locate package nosuch\n  E: Package 'old' has no installation candidate"; e.Error() != want {
		t.Errorf("Error() = %q", e.Error())
	}
	e = &aptError{"install", "Done\nThe following packages have unmet dependencies:\n a : Depends: b but it is not going to be installed\nE: Unable to correct problems, you have held broken packages.\n"}
	if !strings.Contains(e.Error(), "a : Depends: b") || len(e.unknown()) != 0 {
		t.Errorf("an unsatisfiable set is told as %q", e.Error())
	}
}

func TestMirroredSources(t *testing.T) {
	t.Parallel()
	a := &apt{mirrors: []git.Rewrite{{Prefix: "http://example.com/", Base: "http://127.0.0.1:9/m/"}}}
	text := "deb [signed-by=/k.gpg] http://example.com/debian bookworm main\nURIs: http://example.com/x https://example.org/y\n"
	want := "deb [signed-by=/k.gpg] http://127.0.0.1:9/m/debian bookworm main\nURIs: http://127.0.0.1:9/m/x https://example.org/y\n"
	if diff := cmp.Diff(want, string(a.mirrored([]byte(text)))); diff != "" {
		t.Errorf("mirrored (-want +got):\n%s", diff)
	}
	if got := a.official("http://127.0.0.1:9/m/debian/a.deb"); got != "http://example.com/debian/a.deb" {
		t.Errorf("official = %s", got)
	}
}

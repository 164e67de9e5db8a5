package recipe

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const testKey = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n"

func TestPackagesFaults(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, table, want string
	}{
		{"an option", `image = ["-o"]`, `"-o" is neither a package name`},
		{"a removal", `image = ["vim-"]`, `"vim-" is neither`},
		{"a suite", `image = ["vim/sid"]`, `"vim/sid" is neither`},
		{"a file", `build = ["./vim.deb"]`, `"./vim.deb" is neither`},
		{"twice", "image = [\"vim\"]\nbuild = [\"vim\"]", "vim occurs in image and in build"},
		{"snapshot", `snapshot = "--help"`, `snapshot "--help" is not a time`},
		{"unknown key", `images = ["vim"]`, "nearest known key: image"},
		{"no key", "[[packages.source]]\nname = \"x\"\ndeb822 = \"Types: deb\"", "an armoured public key"},
		{"unsigned", "[[packages.source]]\nname = \"x\"\nkey = '''" + testKey + "'''\ndeb822 = '''Types: deb\ntrusted: yes'''", "deb822 has trusted:"},
		{"two stanzas", "[[packages.source]]\nname = \"x\"\nkey = '''" + testKey + "'''\ndeb822 = '''Types: deb\n\nTypes: deb'''", "deb822 is one stanza"},
		{"source's name", "[[packages.source]]\nname = \"../x\"\nkey = '''" + testKey + "'''\ndeb822 = 'Types: deb'", "a source's name consists of"},
	} {
		_, err := Parse("r", "", []byte(minimal+"[packages]\n"+tt.table+"\n"))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v does not say %q", tt.name, err, tt.want)
		}
	}
}

func TestPackages(t *testing.T) {
	t.Parallel()
	table := "[packages]\nimage = [\"python3\", \"g++\", \"vim=2:9.0-1+b2\"]\nbuild = [\"cmake\"]\n"
	r, err := Parse("r", "", []byte(minimal+table))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"cmake", "g++", "python3", "vim"}, r.Packages.Names()); diff != "" {
		t.Errorf("Names (-want +got):\n%s", diff)
	}
	l := NewPackages(r.Packages, []LockedDeb{{Name: "vim"}, {Name: "cmake", BuildOnly: true}})
	if got := l.For(true); len(got) != 1 || got[0].Name != "cmake" {
		t.Errorf("builds alone see %v", got)
	}
	if got := l.For(false); len(got) != 1 || got[0].Name != "vim" {
		t.Errorf("the image has %v", got)
	}
	asked := r.Packages
	if !l.Answers(asked) {
		t.Error("the lock does not answer what it was made for")
	}
	asked.Sources = []PackageSource{{Name: "x"}}
	if l.Answers(asked) || (*LockedPackages)(nil).Answers(r.Packages) {
		t.Error("another question is answered")
	}
}

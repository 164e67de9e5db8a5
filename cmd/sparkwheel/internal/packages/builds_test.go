package packages

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/base"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
)

func TestAddAlone(t *testing.T) {
	t.Parallel()
	python, gcc := recipe.LockedDeb{Name: "python3", Version: "3.11"}, recipe.LockedDeb{Name: "gcc", Version: "12", BuildOnly: true}
	dh, fakeroot := recipe.LockedDeb{Name: "debhelper", Version: "13"}, recipe.LockedDeb{Name: "fakeroot", Version: "1.31"}
	seen := []recipe.LockedDeb{python, gcc}
	debs, err := addAlone([]recipe.LockedDeb{python, gcc}, seen, []recipe.LockedDeb{python, gcc, dh}, "a")
	if err == nil {
		debs, err = addAlone(debs, seen, []recipe.LockedDeb{python, gcc, dh, fakeroot}, "b")
	}
	dh.Alone, fakeroot.Alone = []string{"a", "b"}, []string{"b"}
	if diff := cmp.Diff([]recipe.LockedDeb{python, gcc, dh, fakeroot}, debs); diff != "" || err != nil {
		t.Errorf("addAlone (-want +got): %v\n%s", err, diff)
	}
	other := recipe.LockedDeb{Name: "gcc", Version: "13"}
	if _, err := addAlone(seen, seen, []recipe.LockedDeb{python, other}, "a"); err == nil || !strings.Contains(err.Error(), "gcc 12 conflicts with the packages of build a; move what needs another version to packages.build") {
		t.Errorf("a build with another gcc than all builds': %v", err)
	}
}

func TestChanged(t *testing.T) {
	t.Parallel()
	got := changed("NOTE: This is only a simulation!\nRemv old [1]\nInst libnccl2 [2.19-1] (2.30-1 NVIDIA:x [amd64])\nInst libc6:i386 (2.36 Debian:12 [i386])\nConf libnccl2 (2.30-1 NVIDIA:x [amd64])\n")
	if diff := cmp.Diff([]string{"libnccl2", "libc6"}, got); diff != "" {
		t.Errorf("changed (-want +got):\n%s", diff)
	}
}

func TestHeldBack(t *testing.T) {
	t.Parallel()
	refusal := "The following packages have unmet dependencies:\n fakeroot : Depends: libfakeroot (>= 1.31-1.2) but 0.1-1 is to be installed\n" +
		" x : PreDepends: liby:any (= 2) but 1 is to be installed\n      Depends: libfakeroot but it is not installable\nE: Unable to correct problems, you have held broken packages.\n"
	if diff := cmp.Diff([]string{"libfakeroot", "liby"}, heldBack(refusal, []string{"liby", "fakeroot", "libfakeroot"})); diff != "" {
		t.Errorf("heldBack (-want +got):\n%s", diff)
	}
	if got := heldBack(refusal, []string{"fakeroot"}); got != nil {
		t.Errorf("heldBack = %q", got)
	}
}

// The roots that packages of a build are installed into have names of their own
// before the packages are made; the roots that they are not installed into keep theirs.
func TestBuiltDigests(t *testing.T) {
	t.Parallel()
	on := &base.Base{Digest: "sha256:" + strings.Repeat("1", 64), BuildDigest: "sha256:" + strings.Repeat("2", 64)}
	key := store.NewHash("build b").Field("x", "1").Key()
	for _, tt := range []struct {
		built        Built
		image, build bool
	}{
		{Built{Name: "b", Key: key, Image: true}, true, false}, {Built{Name: "b", Key: key, Build: true}, false, true},
		{Built{Name: "b", Key: key, Build: true, Image: true}, true, true},
	} {
		image, build := tt.built.sets(on)
		if got := []bool{image.Digest != on.Digest, build.Digest != on.BuildDigest}; got[0] != tt.image || got[1] != tt.build {
			t.Errorf("%+v changes image and build: %v", tt.built, got)
		}
		other := tt.built
		other.Key, other.Debs = store.NewHash("build b").Field("x", "2").Key(), []recipe.LockedDeb{{Name: "b"}}
		i2, b2 := other.sets(on)
		if (i2.Digest == image.Digest) == tt.image || (b2.Digest == build.Digest) == tt.build {
			t.Errorf("%+v: another build gives the same roots", tt.built)
		}
		entries, err := tt.built.Entries(on)
		want := 0
		for _, there := range []bool{tt.image, tt.build} {
			if there {
				want += 2
			}
		}
		if err != nil || len(entries) != want {
			t.Errorf("%+v keeps %d entries, %v, want %d", tt.built, len(entries), err, want)
		}
	}
	on.BuildDigest = on.Digest
	if entries, err := (Built{Name: "b", Key: key, Build: true, Image: true}).Entries(on); err != nil || len(entries) != 2 {
		t.Errorf("one root for image and builds is kept as %v, %v", entries, err)
	}
}

func TestAloneDigest(t *testing.T) {
	t.Parallel()
	l := &recipe.Lock{Packages: &recipe.LockedPackages{Debs: []recipe.LockedDeb{{Name: "debhelper", SHA256: "1", Alone: []string{"b"}}, {Name: "gcc", BuildOnly: true}}}}
	on := &base.Base{BuildDigest: "sha256:" + strings.Repeat("2", 64)}
	if got := ForBuild(on, "b", l); got.BuildDigest == on.BuildDigest {
		t.Error("a build's own packages do not change its root")
	}
	for _, lock := range []*recipe.Lock{l, {}} {
		if got := ForBuild(on, "c", lock); got.BuildDigest != on.BuildDigest {
			t.Error("another build's packages change the root of this one")
		}
	}
}

package inspect_test

import (
	"debug/elf"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/wheel/inspect"
)

// TestSystemLibraries reads the libraries of this machine and compares with
// debug/elf, which finds its way by sections, not by segments.
func TestSystemLibraries(t *testing.T) {
	t.Parallel()
	read := 0
	for _, dir := range []string{"/usr/lib", "/lib"} {
		filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() || !strings.Contains(d.Name(), ".so") || read == 200 {
				return nil
			}
			if compareWithDebugELF(t, path) {
				read++
			}
			return nil
		})
	}
	if read == 0 {
		t.Skip("this machine has no shared libraries")
	}
}

// compareWithDebugELF says whether the file was one that both read.
func compareWithDebugELF(t *testing.T, path string) bool {
	f, err := elf.Open(path)
	if err != nil {
		return false // a linker script, say
	}
	defer f.Close()
	if f.Class != elf.ELFCLASS64 || f.ByteOrder.String() != "LittleEndian" || f.Machine == 190 {
		return false
	}
	files, err := inspect.Read(path, inspect.Options{Symbols: true}, func() (io.ReadCloser, error) { return os.Open(path) })
	if err != nil || len(files) != 1 {
		t.Errorf("%s: %v, %v", path, files, err)
		return false
	}
	got := files[0]
	str := func(tag elf.DynTag) []string {
		list, _ := f.DynString(tag)
		return list
	}
	var versions []inspect.NeededVersions
	needs, _ := f.DynamicVersionNeeds()
	for _, n := range needs {
		v := inspect.NeededVersions{Library: n.Name}
		for _, d := range n.Needs {
			v.Versions = append(v.Versions, d.Dep)
		}
		versions = append(versions, v)
	}
	want := &inspect.File{
		Path: path, Kind: got.Kind, Size: got.Size, Machine: got.Machine, Bits: 64, Interpreter: got.Interpreter, BuildID: got.BuildID,
		Needed: str(elf.DT_NEEDED), SONAME: strings.Join(str(elf.DT_SONAME), ""),
		RPath: split(str(elf.DT_RPATH)), RunPath: split(str(elf.DT_RUNPATH)), Versions: versions,
	}
	want.Symbols = dynamicSymbols(f)
	for _, p := range f.Progs {
		if a := int64(p.Align); p.Type == elf.PT_LOAD && (want.Align == 0 || a < want.Align) {
			want.Align = a
		}
	}
	want.Containers = got.Containers
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-debug/elf +got):\n%s", path, diff)
	}
	if want.Machine == "" || f.Section(".note.gnu.build-id") != nil && got.BuildID == "" {
		t.Errorf("%s: %+v", path, got)
	}
	return true
}

func split(paths []string) (list []string) {
	for _, p := range paths {
		list = append(list, strings.Split(p, ":")...)
	}
	return slices.Clip(list)
}

// dynamicSymbols are debug/elf's in our words.
func dynamicSymbols(f *elf.File) (list []inspect.Symbol) {
	symbols, err := f.DynamicSymbols()
	if err != nil {
		return nil
	}
	for _, s := range symbols {
		kind := elf.ST_TYPE(s.Info)
		if elf.ST_BIND(s.Info) == elf.STB_LOCAL || kind == elf.STT_SECTION || s.Name == "" {
			continue
		}
		visibility := elf.ST_VISIBILITY(s.Other)
		n := inspect.Symbol{
			Name: s.Name, Version: s.Version, Type: kind, Weak: elf.ST_BIND(s.Info) == elf.STB_WEAK,
			Undefined: s.Section == elf.SHN_UNDEF, Hidden: visibility == elf.STV_HIDDEN || visibility == elf.STV_INTERNAL,
		}
		if n.Undefined {
			n.Library = s.Library
		} else {
			n.Old = s.HasVersion && s.VersionIndex.IsHidden()
		}
		list = append(list, n)
	}
	return list
}

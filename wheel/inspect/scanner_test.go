package inspect_test

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/wheel/inspect"
	"github.com/sparkwheel/sparkwheel/wheel/inspect/cuda"
	"github.com/sparkwheel/sparkwheel/wheel/inspect/elftest"
)

// scan inspects content in writes of step bytes, and says how often it came by.
func scan(content []byte, step int, o inspect.Options) (files []*inspect.File, passes int, err error) {
	s := inspect.NewScanner("x", o)
	for {
		for rest := content; len(rest) > 0; {
			n := min(step, len(rest))
			if k, err := s.Write(rest[:n]); k != n || err != nil {
				panic("a Scanner's Write failed")
			}
			rest = rest[n:]
		}
		passes++
		if !s.Again() {
			files, err = s.Files()
			return files, passes, err
		}
	}
}

var library = elftest.ELF{
	SONAME: "libx.so.1", Needed: []string{"libc.so.6", "libstdc++.so.6"}, RunPath: "$ORIGIN/../lib:/opt/lib",
	Versions: []elftest.Needed{
		{Library: "libc.so.6", Versions: []string{"GLIBC_2.17", "GLIBC_2.4", "GLIBC_2.34", "GLIBC_PRIVATE"}},
		{Library: "libstdc++.so.6", Versions: []string{"CXXABI_1.3.9", "GLIBCXX_3.4.21", "GLIBCXX_3.4.9"}},
	},
	BuildID: []byte{0xab, 0xcd, 1},
	Fatbin: append(elftest.Container(elftest.SASS(120, 0, 2), elftest.SASS(121, elftest.Specific, 2), elftest.PTX(90, 0, 9, 2)),
		elftest.Container(elftest.Entry{Kind: 8, SM: 121, Flags: elftest.Specific | elftest.Zstd, Payload: []byte("opaque.."), Name: "k.cu"})...),
	RelFatbin: elftest.Container(elftest.SASS(121, elftest.Family, 1)),
}

// TestScanner reads a whole library, in writes of any size.
func TestScanner(t *testing.T) {
	t.Parallel()
	content := library.Bytes()
	want := &inspect.File{
		Path: "x", Kind: inspect.Library, Size: int64(len(content)), Machine: "aarch64", Bits: 64,
		SONAME: "libx.so.1", Needed: []string{"libc.so.6", "libstdc++.so.6"}, RunPath: []string{"$ORIGIN/../lib", "/opt/lib"},
		Versions: []inspect.NeededVersions{
			{Library: "libc.so.6", Versions: []string{"GLIBC_2.17", "GLIBC_2.4", "GLIBC_2.34", "GLIBC_PRIVATE"}},
			{Library: "libstdc++.so.6", Versions: []string{"CXXABI_1.3.9", "GLIBCXX_3.4.21", "GLIBCXX_3.4.9"}},
		},
		BuildID: "abcd01", Align: 64 << 10,
		Containers: []cuda.Container{
			{Section: ".nv_fatbin", Entries: []cuda.Entry{
				{Kind: cuda.SASS, Arch: cuda.Arch{Capability: 120}, Size: 496, Kernels: 2},
				{Kind: cuda.SASS, Arch: cuda.Arch{Capability: 121, Suffix: 'a'}, Size: 496, Kernels: 2},
				{Kind: cuda.PTX, Arch: cuda.Arch{Capability: 90}, PTX: cuda.Version{Major: 9, Minor: 2}, Compression: cuda.Zstd, Size: 57, Kernels: 1},
			}},
			{Section: ".nv_fatbin", Name: "k.cu", Entries: []cuda.Entry{
				{Kind: cuda.LTO, Arch: cuda.Arch{Capability: 121, Suffix: 'a'}, Compression: cuda.Zstd, Kernels: -1},
			}},
			{Section: "__nv_relfatbin", Entries: []cuda.Entry{
				{Kind: cuda.SASS, Arch: cuda.Arch{Capability: 121, Suffix: 'f'}, Size: 472, Kernels: 1},
			}},
		},
	}
	for _, step := range []int{1, 7, 64, 100, 1 << 20} {
		files, passes, err := scan(content, step, inspect.Options{})
		if err != nil || passes != 1 || len(files) != 1 {
			t.Fatalf("writes of %d: %d files in %d passes, %v", step, len(files), passes, err)
		}
		for i, c := range files[0].Containers {
			if got := binary.LittleEndian.Uint32(content[c.Offset:]); got != 0xBA55ED50 {
				t.Errorf("there is no container at %#x", c.Offset)
			}
			files[0].Containers[i].Offset = 0
		}
		if diff := cmp.Diff(want, files[0]); diff != "" {
			t.Errorf("writes of %d (-want +got):\n%s", step, diff)
		}
	}
	for prefix, newest := range map[string]string{"GLIBC": "2.34", "GLIBCXX": "3.4.21", "CXXABI": "1.3.9", "GCC": ""} {
		if got := want.Newest(prefix); got != newest {
			t.Errorf("the newest %s is %q, want %q", prefix, got, newest)
		}
	}
}

// TestScannerForeign reads what is not 64 bits little-endian as far as that goes.
func TestScannerForeign(t *testing.T) {
	t.Parallel()
	content := library.Bytes()
	content[elf.EI_CLASS] = byte(elf.ELFCLASS32)
	files, _, err := scan(content, 1000, inspect.Options{})
	if err != nil || len(files) != 1 || files[0].Bits != 32 || files[0].Machine != "aarch64" || len(files[0].Containers) != 3 {
		t.Errorf("of 32 bits: %+v, %v", files, err)
	}
	content = library.Bytes()
	content[elf.EI_DATA] = byte(elf.ELFDATA2MSB)
	content[18], content[19] = 0, byte(elf.EM_S390)
	if files, _, err = scan(content, 1000, inspect.Options{}); err != nil || len(files) != 1 || !files[0].BigEndian || files[0].Machine != "s390x" {
		t.Errorf("big-endian: %+v, %v", files, err)
	}
	for _, text := range []string{"", "x", "\x7fEL", strings.Repeat("#!/bin/sh\n", 100)} {
		if files, _, err := scan([]byte(text), 10, inspect.Options{}); err != nil || len(files) != 0 {
			t.Errorf("%.20q: %v, %v", text, files, err)
		}
	}
}

// TestScannerAgain reads files whose tables lie where nobody expects them: they
// come by more than once, and the result is the same.
func TestScannerAgain(t *testing.T) {
	t.Parallel()
	plain := library
	plain.Before = bytes.Repeat([]byte{0x90}, 9<<20)
	want, passes, err := scan(plain.Bytes(), 1<<20, inspect.Options{})
	if err != nil || passes != 1 {
		t.Fatalf("%d passes, %v", passes, err)
	}

	// As after patchelf: a longer table of strings in a segment at the end.
	moved := movedStrings(t, plain.Bytes())
	got, passes, err := scan(moved, 1<<20, inspect.Options{})
	if err != nil || passes < 2 {
		t.Fatalf("%d passes, %v", passes, err)
	}
	got[0].Size = want[0].Size
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("with its strings at another place (-want +got):\n%s", diff)
	}

	// A header that is none before the section hides it from the first reading.
	hidden := library
	hidden.Before = []byte{0x50, 0xED, 0x55, 0xBA, 1, 0, 16, 0, 0, 0, 1, 0, 0, 0, 0, 0}
	entry := elftest.Container(elftest.Entry{Kind: 2, SM: 121, Payload: make([]byte, 8)})[16:]
	binary.LittleEndian.PutUint64(entry[8:], 0x8000)
	hidden.Before = append(hidden.Before, entry...)
	if got, passes, err = scan(hidden.Bytes(), 1<<20, inspect.Options{}); err != nil || passes != 2 || len(got[0].Containers) != 3 {
		t.Errorf("with a section that is hidden at first: %d passes, %v, %v", passes, got, err)
	}
}

// movedStrings makes DT_STRTAB point to a copy of the strings at the end of the file.
func movedStrings(t *testing.T, content []byte) []byte {
	t.Helper()
	f, err := elf.NewFile(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	strs, dynamic := f.Section(".dynstr"), f.Section(".dynamic")
	data, err := strs.Data()
	if err != nil {
		t.Fatal(err)
	}
	content = append(content, make([]byte, 9<<20)...)
	at := uint64(len(content))
	content = append(content, data...)
	content = append(content, make([]byte, 9<<20)...)
	for d := content[dynamic.Offset:]; ; d = d[16:] {
		if elf.DynTag(binary.LittleEndian.Uint64(d)) == elf.DT_STRTAB {
			binary.LittleEndian.PutUint64(d[8:], at)
			break
		}
	}
	load := content[64:] // the first program header is the only segment
	binary.LittleEndian.PutUint64(load[32:], uint64(len(content)))
	return content
}

// TestScannerMemory lets a library of 1 GiB pass: little of it is kept.
func TestScannerMemory(t *testing.T) {
	large := library
	large.Before = make([]byte, 1<<20)
	head, block := large.Bytes(), large.Before
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	s := inspect.NewScanner("x", inspect.Options{Kernels: true})
	s.Write(head)
	for range 1 << 10 {
		s.Write(block)
	}
	again := s.Again()
	runtime.ReadMemStats(&after)
	if files, err := s.Files(); again || err != nil || len(files) != 1 {
		t.Errorf("%v, %v", files, err)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 64<<20 {
		t.Errorf("1 GiB took %d MiB", n>>20)
	}
}

// TestNvcc reads what NVIDIA's compiler wrote.
func TestNvcc(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"one.fatbin":       "sm_121a none 3",
		"ptx.fatbin":       "compute_121a zstd 3 9.2",
		"lz4.fatbin":       "compute_121a lz4 3 9.2",
		"suffixes.fatbin":  "sm_90 zstd 3, sm_121f zstd 3, sm_120 zstd 3, compute_120 zstd 3 9.2, sm_121a zstd 3",
		"lto.fatbin":       "lto_121a zstd -1",
		"debug.fatbin":     "sm_121a zstd 3 -G, compute_121a zstd 3 9.2 -G",
		"plain_121f.cubin": "sm_121f none 3",
		"plain_90a.cubin":  "sm_90a none 3",
	} {
		open := func() (io.ReadCloser, error) { return os.Open(filepath.Join("testdata/nvcc", name)) }
		files, err := inspect.Read(name, inspect.Options{Kernels: true}, open)
		if err != nil || len(files) != 1 || len(files[0].Containers) != 1 {
			t.Errorf("%s: %+v, %v", name, files, err)
			continue
		}
		if got := entries(files[0].Containers[0]); got != want {
			t.Errorf("%s has %q, want %q", name, got, want)
		}
	}
}

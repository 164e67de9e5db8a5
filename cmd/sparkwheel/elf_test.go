package main

import (
	"debug/elf"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sparkwheel/sparkwheel/wheel/inspect/cuda"
	"github.com/sparkwheel/sparkwheel/wheel/inspect/elftest"
)

// makeELF is the scripts' command "elf FILE [WORD...]": a library for aarch64.
// A WORD with an = changes something; each other one is a fatbin, its entries
// with + between them and PTX's version behind an @: sm_90a+compute_80@9.2.
func makeELF(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: elf FILE [WORD...]")
	}
	var e elftest.ELF
	length := 1 << 30
	for _, word := range args[1:] {
		key, value, ok := strings.Cut(word, "=")
		switch {
		case !ok:
			e.Fatbin = append(e.Fatbin, fatbinOf(ts, word)...)
		case key == "machine" && value == "x86_64":
			e.Machine = elf.EM_X86_64
		case key == "align":
			e.Align = 4096
		case key == "cut":
			n, err := strconv.Atoi(value)
			ts.Check(err)
			length = n
		case key == "soname":
			e.SONAME = value
		case key == "needs": // libc.so.6:GLIBC_2.34
			library, version, _ := strings.Cut(value, ":")
			e.Needed = append(e.Needed, library)
			e.Versions = append(e.Versions, elftest.Needed{Library: library, Versions: []string{version}})
		default:
			ts.Fatalf("elf: %s is unknown", word)
		}
	}
	path := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(filepath.Dir(path), 0o755))
	content := e.Bytes()
	ts.Check(os.WriteFile(path, content[:min(length, len(content))], 0o644))
}

func fatbinOf(ts *testscript.TestScript, word string) []byte {
	var entries []elftest.Entry
	for one := range strings.SplitSeq(word, "+") {
		name, version, ptx := strings.Cut(one, "@")
		a, err := cuda.ParseArch(name)
		ts.Check(err)
		flags := map[byte]uint64{'a': elftest.Specific, 'f': elftest.Family}[a.Suffix]
		if !ptx {
			entries = append(entries, elftest.SASS(uint32(a.Capability), flags, 2))
			continue
		}
		v, err := cuda.ParseVersion(version)
		ts.Check(err)
		entries = append(entries, elftest.PTX(uint32(a.Capability), flags, uint16(v.Major), uint16(v.Minor)))
	}
	return elftest.Container(entries...)
}

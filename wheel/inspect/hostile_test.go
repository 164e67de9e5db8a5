package inspect_test

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/sparkwheel/sparkwheel/wheel/inspect"
	"github.com/sparkwheel/sparkwheel/wheel/inspect/elftest"
)

var le = binary.LittleEndian

// hostile are libraries that lie, and a part of what must be said of each.
var hostile = []struct {
	name string
	make func() []byte
	want string
}{
	{"cut off in its header", func() []byte { return library.Bytes()[:40] }, "truncated"},
	{"cut off in the middle", func() []byte { b := library.Bytes(); return b[:len(b)/2] }, "beyond the end"},
	{"a section table beyond the end", put64(40, 1<<40), "beyond the end"},
	{"a section table at the end of all numbers", put64(40, 1<<64-64), "beyond the end"},
	{"program headers beyond the end", put64(32, 1<<50), "beyond the end"},
	{"program headers of another size", put16(54, 32), "32 bytes"},
	{"section headers of another size", put16(58, 32), "32 bytes"},
	{"a name table that is no section", put16(62, 500), "missing"},
	{"a dynamic segment beyond the end", put64(64+56+8, 1<<41), "beyond the end"},
	{"a dynamic segment of a gigabyte", put64(64+56+32, 1<<30), "dynamic segment"},
	{"strings in no segment", dynamic(elf.DT_STRTAB, 1<<40), "not in any segment"},
	{"versions in no segment", dynamic(elf.DT_VERNEED, 1<<40), "not in any segment"},
	{"a SONAME outside of the strings", dynamic(elf.DT_SONAME, 1<<40), "outside its table"},
	{"a needed library outside of the strings", dynamic(elf.DT_NEEDED, 1<<63), "outside its table"},
	{"versions that are none", dynamic(elf.DT_VERNEED, 0), ""},
	{"four thousand libraries", func() []byte {
		l := elftest.ELF{}
		for range 5000 {
			l.Needed = append(l.Needed, "libx.so")
		}
		return l.Bytes()
	}, "more than 4096"},
	{"a section of fatbins that holds something else", fatbins(bytes.Repeat([]byte("x"), 10000)), "not a fatbin"},
	{"an empty section of fatbins", fatbins(make([]byte, 64)), "not a fatbin"},
	{"a fatbin behind something else", fatbins(append(make([]byte, 8000), elftest.Container(elftest.SASS(121, 0, 1))...)), "not a fatbin"},
	{"a fatbin that is longer than its section", fatbins(size(elftest.Container(elftest.SASS(121, 0, 1)), 1<<30)), "fatbin"},
	{"a fatbin as long as there are numbers", fatbins(size(elftest.Container(elftest.SASS(121, 0, 1)), 1<<64-1)), "not a fatbin"},
	{"an entry that is longer than its fatbin", entry(func(h []byte) { le.PutUint64(h[8:], 1<<40) }), "does not fit"},
	{"an entry with a header of a gigabyte", entry(func(h []byte) { le.PutUint32(h[4:], 1<<30) }), "header has"},
	{"an entry with a header of nothing", entry(func(h []byte) { le.PutUint32(h[4:], 0) }), "header has"},
	{"an entry for the architecture of nothing", entry(func(h []byte) { le.PutUint32(h[28:], 1<<31) }), "architecture"},
	{"more compressed bytes than there are", entry(func(h []byte) { le.PutUint64(h[40:], elftest.Zstd); le.PutUint32(h[16:], 1<<31) }), "compressed"},
	{"a bomb", entry(func(h []byte) { le.PutUint64(h[40:], elftest.LZ4); le.PutUint64(h[56:], 1<<64-1) }), "claims"},
	{"bytes behind the last entry", fatbins(size(append(elftest.Container(elftest.SASS(121, 0, 1)), make([]byte, 8)...), 8+64+472)), "follow its last entry"},
	{"a fatbin cut off where no table of sections is", func() []byte {
		l := elftest.ELF{Stripped: true, Fatbin: size(elftest.Container(elftest.SASS(121, 0, 1)), 64+472+100)}
		return l.Bytes()
	}, "fatbin"},
}

func put64(at int, v uint64) func() []byte {
	return func() []byte { b := library.Bytes(); le.PutUint64(b[at:], v); return b }
}

func put16(at int, v uint16) func() []byte {
	return func() []byte { b := library.Bytes(); le.PutUint16(b[at:], v); return b }
}

// dynamic changes the value of the first entry with a tag.
func dynamic(tag elf.DynTag, v uint64) func() []byte {
	return func() []byte {
		b := library.Bytes()
		for d := b[le.Uint64(b[64+56+8:]):]; ; d = d[16:] {
			if elf.DynTag(le.Uint64(d)) == tag {
				le.PutUint64(d[8:], v)
				return b
			}
		}
	}
}

func fatbins(content []byte) func() []byte {
	return func() []byte { return elftest.ELF{Fatbin: content}.Bytes() }
}

// size makes a container claim to have entries of n bytes.
func size(container []byte, n uint64) []byte {
	le.PutUint64(container[8:], n)
	return container
}

func entry(change func([]byte)) func() []byte {
	e := elftest.SASS(121, 0, 1)
	e.Change = change
	return fatbins(elftest.Container(e))
}

func TestHostile(t *testing.T) {
	t.Parallel()
	for _, tt := range hostile {
		_, _, err := scan(tt.make(), 1000, inspect.Options{Kernels: true, Symbols: true})
		var damaged *inspect.FileError
		if tt.want == "" && err == nil {
			continue
		}
		if !errors.As(err, &damaged) || damaged.Path != "x" || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

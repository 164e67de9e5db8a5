package fatbin

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"strings"

	"github.com/sparkwheel/sparkwheel/wheel/inspect/cuda"
	"github.com/sparkwheel/sparkwheel/wheel/inspect/internal/sparse"
)

// EMCUDA is the e_machine of a cubin.
const EMCUDA elf.Machine = 190

const (
	// cubinHead is how much of a cubin's beginning is kept: names, symbols and
	// notes stand before the code.
	cubinHead   = 4 << 20
	maxSections = 1 << 18
	fileHeader  = 64
	sectionSize = 64
	symbolSize  = 24
	entryPoint  = 0x10 // in st_other of a kernel (STO_CUDA_ENTRY)
)

// Cubin is an io.Writer that reads one cubin as it passes by.
type Cubin struct{ buf sparse.Buffer }

// Write takes the next bytes. It never fails.
func (c *Cubin) Write(p []byte) (int, error) {
	n := len(p)
	if at := c.buf.Offset(); at < fileHeader {
		if at == 0 {
			c.buf.Keep(0, cubinHead)
		}
		first := min(int64(n), fileHeader-at)
		_, _ = c.buf.Write(p[:first])
		p = p[first:]
		if h, ok := c.buf.Bytes(0, fileHeader); ok {
			if off := binary.LittleEndian.Uint64(h[40:]); off < 1<<40 {
				c.buf.Keep(int64(off), int64(off)+maxSections*sectionSize)
			}
		}
	}
	_, _ = c.buf.Write(p)
	return n, nil
}

func (c *Cubin) kernels() int {
	sections, err := c.sections()
	if err != nil {
		return -1
	}
	n, parameters := 0, 0
	for _, s := range sections {
		if strings.HasPrefix(s.name, ".nv.constant0.") {
			parameters++
		}
	}
	for _, s := range sections {
		if s.kind != elf.SHT_SYMTAB {
			continue
		}
		symbols, ok := c.buf.Bytes(s.off, s.size)
		if !ok && parameters > 0 {
			// Behind tens of megabytes of names: but each kernel has a section for
			// its parameters, too.
			return parameters
		}
		if !ok {
			return -1
		}
		for ; len(symbols) >= symbolSize; symbols = symbols[symbolSize:] {
			if elf.ST_TYPE(symbols[4]) == elf.STT_FUNC && symbols[5]&entryPoint != 0 && binary.LittleEndian.Uint16(symbols[6:]) != 0 {
				n++
			}
		}
	}
	return n
}

type section struct {
	name      string
	kind      elf.SectionType
	off, size int64
}

var errCubin = errors.New("the cubin's sections cannot be read")

// sections reads the section table as far as the kept bytes go.
func (c *Cubin) sections() ([]section, error) {
	le := binary.LittleEndian
	h, ok := c.buf.Bytes(0, fileHeader)
	if !ok || !bytes.HasPrefix(h, []byte(elf.ELFMAG)) || elf.Class(h[4]) != elf.ELFCLASS64 || elf.Data(h[5]) != elf.ELFDATA2LSB || elf.Machine(le.Uint16(h[18:])) != EMCUDA {
		return nil, errors.New("not a 64-bit cubin")
	}
	off, n, names := int64(le.Uint64(h[40:])), int64(le.Uint16(h[60:])), int64(le.Uint16(h[62:]))
	first, ok := c.buf.Bytes(off, sectionSize)
	if !ok || le.Uint16(h[58:]) != sectionSize {
		return nil, errCubin
	}
	// More than 65,279 sections are counted in the first of them.
	if n == 0 {
		n = int64(min(le.Uint64(first[32:]), maxSections+1))
	}
	if names == int64(elf.SHN_XINDEX) {
		names = int64(le.Uint32(first[40:]))
	}
	table, ok := c.buf.Bytes(off, n*sectionSize)
	if !ok || names >= n {
		return nil, errCubin
	}
	list := make([]section, n)
	for i := range list {
		b := table[i*sectionSize:]
		list[i] = section{kind: elf.SectionType(le.Uint32(b[4:])), off: int64(le.Uint64(b[24:])), size: int64(le.Uint64(b[32:]))}
	}
	strs, ok := c.buf.Bytes(list[names].off, list[names].size)
	if !ok {
		return list, nil // without names
	}
	for i := range list {
		if at := int64(le.Uint32(table[i*sectionSize:])); at < int64(len(strs)) {
			list[i].name, _, _ = strings.Cut(string(strs[at:min(at+256, int64(len(strs)))]), "\x00")
		}
	}
	return list, nil
}

// Entry is what the cubin says of itself when it lies alone in a file: its
// architecture stands in the notes that ptxas leaves, else in e_flags, which
// tells "a" and "f" from plain code only in what compilers before CUDA 13 wrote.
func (c *Cubin) Entry() (cuda.Entry, error) {
	e := cuda.Entry{Kind: cuda.SASS, Size: c.buf.Offset(), Kernels: c.kernels()}
	sections, err := c.sections()
	if err != nil {
		return e, err
	}
	h, _ := c.buf.Bytes(0, fileHeader)
	e.Arch = flagsArch(h[8], binary.LittleEndian.Uint32(h[48:]))
	for _, s := range sections {
		if s.name != ".note.nv.tkinfo" {
			continue
		}
		if note, ok := c.buf.Bytes(s.off, s.size); ok {
			if a, ok := noteArch(note); ok {
				e.Arch = a
			}
		}
	}
	if e.Arch.Capability < 10 {
		return e, errors.New("the cubin does not say for which GPU it is")
	}
	return e, nil
}

// flagsArch reads e_flags: the SM number is the lowest byte up to ABI 7, which
// has a bit for "a", and the second byte from ABI 8 on.
func flagsArch(abi byte, flags uint32) cuda.Arch {
	if abi >= 8 {
		return cuda.Arch{Capability: int(flags >> 8 & 0xFF)}
	}
	a := cuda.Arch{Capability: int(flags & 0xFF)}
	if flags&0x800 != 0 {
		a.Suffix = 'a'
	}
	return a
}

// noteArch finds "-arch sm_121a" among the strings of a tkinfo note.
func noteArch(note []byte) (cuda.Arch, bool) {
	_, after, ok := bytes.Cut(note, []byte("-arch sm_"))
	if !ok {
		return cuda.Arch{}, false
	}
	word := after
	if i := bytes.IndexAny(after, " \x00"); i >= 0 {
		word = after[:i]
	}
	a, err := cuda.ParseArch("sm_" + string(word))
	return a, err == nil
}

package builder

import (
	"archive/zip"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"debug/elf"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Difference says where two wheels are not the same.
type Difference struct {
	First, Second string             // file names
	Members       []MemberDifference // by name; at most MaxDifferences
	More          int                // members that differ beside those
	// Archive is set when all members are equal and only the packing differs.
	Archive bool

	scratch string // directory for members that are looked into
}

// MaxDifferences bounds the members that a Difference names.
const MaxDifferences = 20

// MemberDifference is one member that is not the same in both wheels.
type MemberDifference struct {
	Name string
	// What is "only in the first", "only in the second", "content", "mode" or
	// "time".
	What     string
	Sections []string // of an ELF file: those that differ, in the file's order
}

func (d *Difference) String() string {
	var b strings.Builder
	if d.First != d.Second {
		fmt.Fprintf(&b, "the file names differ: %s and %s\n", d.First, d.Second)
	}
	if d.Archive {
		b.WriteString("all members are equal, but packed differently\n")
	}
	for _, m := range d.Members {
		fmt.Fprintf(&b, "%s: %s", m.Name, m.What)
		if len(m.Sections) > 0 {
			fmt.Fprintf(&b, " in %s", strings.Join(m.Sections, ", "))
		}
		b.WriteByte('\n')
	}
	if d.More > 0 {
		fmt.Fprintf(&b, "and %d more members\n", d.More)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// Compare compares two wheels; nil means that name and bytes are the same. It
// holds no member in memory: those it looks into lie beside second meanwhile.
func Compare(ctx context.Context, first, second string) (*Difference, error) {
	d := &Difference{First: filepath.Base(first), Second: filepath.Base(second), scratch: filepath.Dir(second)}
	same, err := sameBytes(first, second)
	if err != nil {
		return nil, fmt.Errorf("comparing wheels: %w", err)
	}
	if same {
		if d.First == d.Second {
			return nil, nil
		}
		return d, nil
	}
	a, err := zip.OpenReader(first)
	if err != nil {
		return nil, fmt.Errorf("comparing wheels: reading %s: %w", d.First, err)
	}
	defer a.Close()
	b, err := zip.OpenReader(second)
	if err != nil {
		return nil, fmt.Errorf("comparing wheels: reading %s: %w", d.Second, err)
	}
	defer b.Close()
	if err := d.members(ctx, a.File, b.File); err != nil {
		return nil, fmt.Errorf("comparing wheels: %w", err)
	}
	d.Archive = len(d.Members) == 0
	return d, nil
}

func (d *Difference) add(m MemberDifference) {
	if len(d.Members) == MaxDifferences {
		d.More++
		return
	}
	d.Members = append(d.Members, m)
}

func (d *Difference) members(ctx context.Context, a, b []*zip.File) error {
	byName := func(x, y *zip.File) int { return cmp.Compare(x.Name, y.Name) }
	a, b = slices.Clone(a), slices.Clone(b)
	slices.SortFunc(a, byName)
	slices.SortFunc(b, byName)
	for len(a) > 0 || len(b) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		switch {
		case len(b) == 0 || len(a) > 0 && a[0].Name < b[0].Name:
			d.add(MemberDifference{Name: a[0].Name, What: "only in the first"})
			a = a[1:]
		case len(a) == 0 || b[0].Name < a[0].Name:
			d.add(MemberDifference{Name: b[0].Name, What: "only in the second"})
			b = b[1:]
		default:
			if err := d.member(a[0], b[0]); err != nil {
				return fmt.Errorf("%s: %w", a[0].Name, err)
			}
			a, b = a[1:], b[1:]
		}
	}
	return nil
}

func (d *Difference) member(a, b *zip.File) error {
	m := MemberDifference{Name: a.Name}
	switch {
	case a.CRC32 != b.CRC32 || a.UncompressedSize64 != b.UncompressedSize64:
		m.What = "content"
		if len(d.Members) < MaxDifferences {
			var err error
			if m.Sections, err = differingSections(a, b, d.scratch); err != nil {
				return err
			}
		}
	case a.Mode() != b.Mode():
		m.What = "mode"
	case !a.Modified.Equal(b.Modified):
		m.What = "time"
	default:
		return nil
	}
	d.add(m)
	return nil
}

// differingSections names the sections that two ELF files do not share byte
// for byte; other files have none.
func differingSections(a, b *zip.File, scratch string) ([]string, error) {
	first, err := sections(a, scratch)
	if err != nil || first == nil {
		return nil, err
	}
	second, err := sections(b, scratch)
	if err != nil || second == nil {
		return nil, err
	}
	var names []string
	for _, s := range first {
		if i := slices.IndexFunc(second, func(o section) bool { return o.name == s.name }); i < 0 || second[i].sum != s.sum {
			names = append(names, s.name)
		}
	}
	for _, s := range second {
		if !slices.ContainsFunc(first, func(o section) bool { return o.name == s.name }) {
			names = append(names, s.name)
		}
	}
	if len(names) == 0 {
		names = []string{"headers or padding"}
	}
	return names, nil
}

type section struct {
	name string
	sum  [sha256.Size]byte
}

// sections reads an ELF member by way of a temporary file, since its parts lie
// in no fixed order. It returns nil for any other file.
func sections(m *zip.File, scratch string) (_ []section, err error) {
	rc, err := m.Open()
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	magic := make([]byte, 4)
	if _, err := io.ReadFull(rc, magic); err != nil || !bytes.Equal(magic, []byte(elf.ELFMAG)) {
		return nil, nil
	}
	tmp, err := os.CreateTemp(scratch, "elf-*")
	if err != nil {
		return nil, err
	}
	defer func() { tmp.Close(); os.Remove(tmp.Name()) }()
	if _, err := io.Copy(tmp, io.MultiReader(bytes.NewReader(magic), rc)); err != nil {
		return nil, err
	}
	f, err := elf.NewFile(tmp)
	if err != nil {
		return nil, nil
	}
	var all []section
	for i, s := range f.Sections {
		if s.Type == elf.SHT_NULL {
			continue
		}
		sum, err := digest(s)
		if err != nil {
			return nil, nil
		}
		all = append(all, section{name: cmp.Or(s.Name, fmt.Sprintf("section %d", i)), sum: sum})
	}
	return all, nil
}

func digest(s *elf.Section) (sum [sha256.Size]byte, err error) {
	h := sha256.New()
	if s.Type != elf.SHT_NOBITS {
		// The bytes as they lie in the file, compressed or not.
		if _, err := io.Copy(h, io.NewSectionReader(s.ReaderAt, 0, int64(s.FileSize))); err != nil {
			return sum, err
		}
	}
	fmt.Fprintf(h, "%d %d", s.Size, s.Addr)
	return [sha256.Size]byte(h.Sum(nil)), nil
}

func sameBytes(a, b string) (bool, error) {
	x, err := fileDigest(a)
	if err != nil {
		return false, err
	}
	y, err := fileDigest(b)
	return x == y, err
}

func fileDigest(file string) (sum [sha256.Size]byte, err error) {
	f, err := os.Open(file)
	if err != nil {
		return sum, err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return sum, err
	}
	return [sha256.Size]byte(h.Sum(nil)), nil
}

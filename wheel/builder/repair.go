package builder

import (
	"archive/zip"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sparkwheel/sparkwheel/requirements"
	"github.com/sparkwheel/sparkwheel/requirements/version"
	"github.com/sparkwheel/sparkwheel/wheel"
)

// ErrSound says that a wheel needs no repair.
var ErrSound = errors.New("nothing is wrong with it")

// Repair writes the wheel from into dir with the same contents and all around
// them true: a RECORD of what it holds, an archive without other bytes, and
// where they disagree, the name and version of METADATA and the tags of the
// file name for all of it. It returns the path, whose name may be another one.
// Only the maker of a wheel knows that its contents are what they should be.
//
// The error is a *wheel.VerifyError with the faults that this cannot mend, and
// ErrSound where there is nothing to do. A file that is there already is left
// alone, unless it is from itself: that is replaced in one step.
func Repair(ctx context.Context, from, dir string) (to string, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("repairing %s: %w", filepath.Base(from), err)
		}
	}()
	if err := mendable(ctx, from); err != nil {
		return "", err
	}
	r, _, err := wheel.Salvage(from)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	p, err := planRepair(r)
	if err != nil {
		return "", err
	}
	to = filepath.Join(dir, p.file)
	if err := free(from, to); err != nil {
		return "", err
	}
	temp, err := os.MkdirTemp(dir, ".repair-*")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	made := filepath.Join(temp, p.file)
	if err := writeCanonical(made, func(w *canonical) error { return p.write(ctx, w) }); err != nil {
		return "", err
	}
	if _, err := wheel.Verify(ctx, made); err != nil {
		return "", err
	}
	return to, os.Rename(made, to)
}

// mendable reads the wheel to its end and refuses what cannot be mended.
func mendable(ctx context.Context, from string) error {
	warnings, err := wheel.Verify(ctx, from)
	found, ok := errors.AsType[*wheel.VerifyError](err)
	if !ok {
		mended := func(w wheel.Fault) bool { return w.Code == "trailing-bytes" || w.Code == "record-path" }
		if err == nil && !slices.ContainsFunc(warnings, mended) {
			err = ErrSound
		}
		return err
	}
	rest := slices.DeleteFunc(slices.Clone(found.Faults), wheel.Fault.Mendable)
	_, err = wheel.ParseFilename(filepath.Base(from))
	if name, ok := errors.AsType[*wheel.FilenameError](err); ok && name.Variant != "" {
		return name // another name would hide what it is
	}
	if len(rest) > 0 {
		return &wheel.VerifyError{File: found.File, Faults: rest}
	}
	return nil
}

// free refuses to write over a file that is not the one that is repaired.
func free(from, to string) error {
	there, err := os.Stat(to)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	self, err := os.Stat(from)
	if err == nil && !os.SameFile(there, self) {
		err = fmt.Errorf("%s exists already", to)
	}
	return err
}

// repair is what a wheel becomes.
type repair struct {
	r          *wheel.Reader
	file       string // its name
	was, stem  string // of dist-info and data directory
	wheelTags  []string
	distRecord string // path of RECORD
}

// planRepair settles the name, version and tags of the wheel.
func planRepair(r *wheel.Reader) (*repair, error) {
	meta := r.Metadata
	if meta.Name == "" || meta.Version.IsZero() {
		return nil, errors.New("its METADATA does not have a name and version")
	}
	p := &repair{r: r, was: r.DistInfo(), stem: r.DistInfo()}
	if name, v, _ := strings.Cut(p.was, "-"); requirements.Normalize(name) != meta.Name || !sameVersion(v, meta.Version) {
		p.stem = escaped(string(meta.Name)) + "-" + escaped(meta.Version.String())
	}
	p.distRecord = p.stem + ".dist-info/RECORD"
	for _, name := range []string{"RECORD.jws", "RECORD.p7s"} {
		for f := range r.Files() {
			if f.Path() == p.was+".dist-info/"+name {
				return nil, fmt.Errorf("it is signed (%s), and a change would break the signature", name)
			}
		}
	}
	parsed, err := wheel.ParseFilename(filepath.Base(r.Path()))
	tags := parsed.Tags
	if err != nil {
		tags = r.Info.Tags
	}
	if len(tags) == 0 {
		return nil, errors.New("neither its file name nor its WHEEL has valid tags")
	}
	for _, t := range tags {
		p.wheelTags = append(p.wheelTags, t.String())
	}
	if err == nil && parsed.Distribution == meta.Name && parsed.Version.Public().Equal(meta.Version.Public()) &&
		(parsed.Version.Equal(meta.Version) || meta.Version.Local() == "") {
		p.file = parsed.String()
		return p, nil
	}
	set, err := compressed(tags)
	if err != nil {
		return nil, err
	}
	build := ""
	if b := cmp.Or(parsed.Build, r.Info.Build); b != "" {
		build = "-" + b
	}
	name, _, _ := strings.Cut(p.stem, "-")
	p.file = name + "-" + escaped(meta.Version.String()) + build + "-" + set + ".whl"
	return p, nil
}

func escaped(s string) string { return strings.ReplaceAll(s, "-", "_") }

func sameVersion(text string, v version.Version) bool {
	parsed, err := version.Parse(strings.ReplaceAll(text, "_", "-"))
	return err == nil && parsed.Equal(v)
}

// compressed is the compressed tag set that stands for exactly these tags.
func compressed(tags []wheel.Tag) (string, error) {
	var parts [3][]string
	for _, t := range tags {
		for i, part := range []string{t.Python, t.ABI, t.Platform} {
			if !slices.Contains(parts[i], part) {
				parts[i] = append(parts[i], part)
			}
		}
	}
	if len(parts[0])*len(parts[1])*len(parts[2]) != len(tags) {
		return "", errors.New("the tags in its WHEEL are not those of one file name")
	}
	return strings.Join(parts[0], ".") + "-" + strings.Join(parts[1], ".") + "-" + strings.Join(parts[2], "."), nil
}

// write writes all members but RECORD, and then RECORD.
func (p *repair) write(ctx context.Context, w *canonical) error {
	var files []wheel.File
	for f := range p.r.Files() {
		if !f.IsDir() && f.Path() != p.was+".dist-info/RECORD" {
			files = append(files, f)
		}
	}
	slices.SortFunc(files, func(a, b wheel.File) int {
		return cmp.Or(cmp.Compare(rank(a.Path()), rank(b.Path())), cmp.Compare(p.renamed(a.Path()), p.renamed(b.Path())))
	})
	var record wheel.Record
	for _, f := range files {
		if err := ctx.Err(); err != nil {
			return err
		}
		row, err := p.copy(w, f)
		if err != nil {
			return fmt.Errorf("%s: %w", f.Path(), err)
		}
		record = append(record, row)
	}
	record = append(record, wheel.Entry{Path: p.distRecord, Size: -1})
	record.Sort()
	return w.add(&zip.FileHeader{Name: p.distRecord}, false, bytes.NewReader(record.Append(nil)))
}

func (p *repair) copy(w *canonical, f wheel.File) (wheel.Entry, error) {
	content := f.Content()
	if f.Path() == p.was+".dist-info/WHEEL" {
		text, err := io.ReadAll(io.LimitReader(content, 1<<20))
		if err := errors.Join(err, content.Close()); err != nil {
			return wheel.Entry{}, err
		}
		content = io.NopCloser(bytes.NewReader(p.tagged(text)))
	}
	defer content.Close()
	name := p.renamed(f.Path())
	sum := sha256.New()
	count := &counter{r: io.TeeReader(content, sum)}
	if err := w.add(&zip.FileHeader{Name: name}, f.Executable(), count); err != nil {
		return wheel.Entry{}, err
	}
	return wheel.HashEntry(name, sum, count.n), nil
}

// counter counts what is read.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// renamed is a member's path under the wheel's own name and version.
func (p *repair) renamed(path string) string {
	for _, suffix := range []string{".dist-info/", ".data/"} {
		if rest, ok := strings.CutPrefix(path, p.was+suffix); ok {
			return p.stem + suffix + rest
		}
	}
	return path
}

// tagged is WHEEL with the tags of the file name; where it has them, as it is.
func (p *repair) tagged(text []byte) []byte {
	var has []string
	for _, t := range p.r.Info.Tags {
		has = append(has, t.String())
	}
	slices.Sort(has)
	want := slices.Sorted(slices.Values(p.wheelTags))
	if slices.Equal(has, want) {
		return text
	}
	var out bytes.Buffer
	for line := range bytes.Lines(text) {
		if key, _, _ := bytes.Cut(line, []byte(":")); !strings.EqualFold(string(bytes.TrimSpace(key)), "Tag") && len(bytes.TrimSpace(line)) > 0 {
			out.Write(bytes.TrimRight(line, "\r\n"))
			out.WriteByte('\n')
		}
	}
	for _, t := range p.wheelTags {
		out.WriteString("Tag: " + t + "\n")
	}
	return out.Bytes()
}

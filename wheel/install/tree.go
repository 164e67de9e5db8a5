package install

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"strings"

	"github.com/sparkwheel/sparkwheel/wheel"
)

// Tree is what `uv pip install` leaves of the wheels, as a read-only file
// system from the root on: members where the scheme puts them, launchers for
// entry points, INSTALLER, REQUESTED, direct_url.json and RECORD. Files are
// 0644 or 0755, directories 0755; nothing but scripts is read before a file is
// opened, and a file read to its end has been held against CRC-32 and RECORD
// (a *wheel.VerifyError where it lies). A file that the wheel holds deflated
// also has the method Deflate() (raw io.Reader, crc32 uint32, sha256 []byte,
// err error).
//
// Where two wheels write one path with different bytes, or are of one
// distribution, the error is a *ConflictError with all such paths, unless the
// scheme's Over says whose bytes stand; where one
// wheel writes a path twice, a *wheel.VerifyError. The Readers must stay open
// as long as the tree is used.
func Tree(s Scheme, wheels ...*wheel.Reader) (fs.FS, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	b := &builder{scheme: s, wheels: wheels, root: newDir(".")}
	b.checkDistributions()
	for i, r := range wheels {
		if err := b.add(int32(i), r); err != nil {
			return nil, fmt.Errorf("installing %s: %w", r.Filename, err)
		}
	}
	if len(b.conflicts) > 0 {
		return nil, &ConflictError{b.conflicts}
	}
	b.root.seal()
	return &tree{b.root}, nil
}

// builder is a tree being made.
type builder struct {
	scheme    Scheme
	wheels    []*wheel.Reader
	root      *node
	conflicts []Conflict
}

// one is the installation of one wheel into the builder's tree.
type one struct {
	*builder
	index  int32
	r      *wheel.Reader
	lib    string // where the archive's root goes
	record wheel.Record
	moved  map[string]wheel.Entry // rows of RECORD that change, by archive path
	made   map[string]bool        // names of the launchers
	faults []wheel.Fault

	recordExecutable bool
}

func (b *builder) add(index int32, r *wheel.Reader) error {
	o := &one{builder: b, index: index, r: r, lib: b.scheme.Platlib, moved: map[string]wheel.Entry{}, made: map[string]bool{}}
	if r.Info.Purelib {
		o.lib = b.scheme.Purelib
	}
	points := scripts(r.EntryPoints, b.scheme)
	for _, e := range points {
		o.made[e.Name] = true
	}
	for f := range r.Files() {
		if err := o.member(f); err != nil {
			return err
		}
	}
	for _, e := range points {
		if err := o.generate(b.scheme.Scripts+"/"+e.Name, launcherText(e, b.scheme), true); err != nil {
			return err
		}
	}
	if err := o.metadata(); err != nil {
		return err
	}
	if len(o.faults) > 0 {
		return &wheel.VerifyError{File: r.Filename.String(), Faults: o.faults}
	}
	return nil
}

// member puts one member of the archive where the scheme says.
func (o *one) member(f wheel.File) error {
	name := strings.TrimSuffix(f.Path(), "/")
	target, executable := o.lib+"/"+name, f.Executable()
	key, rest, isData := o.r.DataScheme(f.Path())
	if isData {
		rest = strings.TrimSuffix(rest, "/")
		if key == "" || key == "scripts" && (rest == "" || o.made[scriptStem(rest)]) {
			return nil
		}
		target = path.Join(o.scheme.dir(key, string(o.r.Filename.Distribution)), rest)
	}
	if f.IsDir() {
		_, err := o.dir(target)
		return err
	}
	if f.Path() == o.r.DistInfo()+".dist-info/RECORD" {
		o.recordExecutable = executable // uv writes it in its place
		return nil
	}
	if o.replaced(f.Path()) {
		return nil
	}
	n := &node{executable: executable, file: f}
	row, _ := f.Entry()
	if key == "scripts" && isData {
		n.executable = true
		if err := o.script(n, &row); err != nil {
			return err
		}
	}
	if isData {
		row.Path = o.relative(target)
		o.moved[f.Path()] = row
	}
	return o.put(target, n)
}

// scriptStem is the name that an entry point would have which the script of a
// .data directory stands for; the launcher is made, the script is not.
func scriptStem(name string) string {
	for _, suffix := range []string{".exe", "-script.py", ".pya"} {
		if stem, ok := strings.CutSuffix(name, suffix); ok {
			return stem
		}
	}
	return name
}

func (o *one) script(n *node, row *wheel.Entry) error {
	ok, err := rewritten(n.file)
	if err != nil || !ok {
		return err
	}
	s, entry, err := newScript(n.file, shebang(o.scheme.Python))
	if err != nil {
		return err
	}
	n.script = &s
	row.Hash, row.Size = entry.Hash, entry.Size
	return nil
}

// relative is how RECORD spells a path of the tree: from the directory that
// holds the dist-info.
func (o *one) relative(target string) string {
	rel, err := filepath.Rel("/"+o.lib, "/"+target)
	if err != nil {
		return target // both are absolute: this cannot be
	}
	return rel
}

// generate puts a file made here and its row for RECORD.
func (o *one) generate(target string, text []byte, executable bool) error {
	h := sha256.New()
	h.Write(text)
	o.record = append(o.record, wheel.HashEntry(o.relative(target), h, int64(len(text))))
	if text == nil {
		text = []byte{}
	}
	return o.put(target, &node{executable: executable, text: text})
}

// replaced says whether the installer writes this file over the wheel's.
func (o *one) replaced(name string) bool {
	// A member of the same name at the archive's root is the wheel's own.
	name, ok := strings.CutPrefix(name, o.r.DistInfo()+".dist-info/")
	if !ok {
		return false
	}
	switch name {
	case "INSTALLER", "REQUESTED":
		return true
	case "direct_url.json":
		return o.scheme.URL != ""
	}
	return false
}

// metadata writes what an installer adds to the dist-info, RECORD last.
func (o *one) metadata() error {
	info := o.lib + "/" + o.r.DistInfo() + ".dist-info/"
	if err := errors.Join(o.generate(info+"REQUESTED", nil, false), o.generate(info+"INSTALLER", []byte(cmp.Or(o.scheme.Installer, "uv")), false)); err != nil {
		return err
	}
	if o.scheme.URL != "" {
		text, err := o.directURL()
		if err != nil {
			return err
		}
		if err := o.generate(info+"direct_url.json", text, false); err != nil {
			return err
		}
	}
	o.wheelRows()
	o.record.Sort()
	return o.put(info+"RECORD", &node{text: o.record.Append(nil), executable: o.recordExecutable})
}

// wheelRows takes over the rows of the wheel's RECORD, with the paths and hashes
// of what was moved. As with uv, the row of a script that a launcher replaces
// stays, and a RECORD that does not list itself gets a row with the old size.
func (o *one) wheelRows() {
	for _, row := range o.r.Record {
		if moved, ok := o.moved[row.Path]; ok {
			row = moved
		}
		o.record = append(o.record, row)
	}
	for f := range o.r.Files() {
		if _, listed := f.Entry(); !listed && f.Path() == o.r.DistInfo()+".dist-info/RECORD" {
			o.record = append(o.record, wheel.Entry{Path: f.Path(), Size: f.Size()})
		}
	}
}

// directURL is PEP 610's record of where the distribution came from, in uv's
// key order and without its spaces.
func (o *one) directURL() ([]byte, error) {
	sum, err := o.r.SHA256()
	if err != nil {
		return nil, err
	}
	digest := hex.EncodeToString(sum[:])
	type archiveInfo struct {
		Hash   string            `json:"hash"`
		Hashes map[string]string `json:"hashes"`
	}
	return json.Marshal(struct {
		URL         string      `json:"url"`
		ArchiveInfo archiveInfo `json:"archive_info"`
	}{o.scheme.URL + o.r.Filename.String(), archiveInfo{"sha256=" + digest, map[string]string{"sha256": digest}}})
}

package wheel

import (
	"cmp"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/sparkwheel/sparkwheel/requirements"
	"github.com/sparkwheel/sparkwheel/requirements/version"
	"github.com/sparkwheel/sparkwheel/wheel/internal/zip"
)

// A wheel that inflates to more than both of these is a bomb: real ones, of
// code, text and kernels, stay below a tenth of the ratio.
const (
	bombSize  = 256 << 20
	bombRatio = 100
)

// check holds the archive's names against what a wheel is: everything that does
// not need its content.
func (r *Reader) check(f *faults) {
	order := r.sorted()
	r.checkMembers(f)
	r.checkTree(order, f)
	r.warnCase()
	if !r.findDistInfo(f) {
		return
	}
	r.checkData(f)
	r.readMetadata(f)
	r.readInfo(f)
	r.readEntryPoints(f)
	r.readRecord(f)
}

// sorted is the order of the members in which a directory's content follows
// it at once: by path, with the slash before every other character.
func (r *Reader) sorted() []int32 {
	members := r.archive.Members
	order := make([]int32, len(members))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(i, j int32) int {
		return cmp.Or(comparePaths(members[i].Name, members[j].Name), cmp.Compare(i, j))
	})
	return order
}

// comparePaths orders by component: "a/b" stands before "a-b".
func comparePaths(a, b string) int {
	for i := range min(len(a), len(b)) {
		switch {
		case a[i] == b[i]:
		case a[i] == '/':
			return -1
		case b[i] == '/':
			return 1
		default:
			return cmp.Compare(a[i], b[i])
		}
	}
	return cmp.Compare(len(a), len(b))
}

func (r *Reader) checkMembers(f *faults) {
	var total int64
	for i := range r.archive.Members {
		m := &r.archive.Members[i]
		if code, message := checkPath(m.Name); code != "" {
			f.add(code, m.Name, message)
		}
		switch m.Type() {
		case 0:
		case fs.ModeDir:
			if !m.IsDir() {
				f.add("special-file", m.Name, "the mode says directory, but the name does not end in a slash")
			}
		case fs.ModeSymlink:
			f.add("symlink", m.Name, "the member is a symbolic link")
		default:
			f.add("special-file", m.Name, "the member is neither file nor directory")
		}
		if m.IsDir() && m.Size > 0 {
			f.add("special-file", m.Name, "a directory with content")
		}
		if m.Size > 0 && total+m.Size < total {
			total = 1 << 62
		} else {
			total += m.Size
		}
	}
	if total > bombSize && total/bombRatio > r.Size {
		r.bomb = true
		f.addf("bomb", "", "%d bytes inflate to %d", r.Size, total)
	}
}

// checkTree finds paths that cannot stand together: twice the same, or a file
// where another member needs a directory. Members come in comparePaths' order.
func (r *Reader) checkTree(order []int32, f *faults) {
	var previous string // the last name that was a file, or a directory without its slash
	var file bool
	directories := 0
	for k, i := range order {
		m := &r.archive.Members[i]
		name := strings.TrimSuffix(m.Name, "/")
		switch below := strings.TrimPrefix(name, previous); {
		case k == 0:
		case name == previous && m.IsDir() == !file:
			f.add("duplicate", m.Name, "the archive has this member twice")
		case name == previous, file && len(below) < len(name) && below[0] == '/':
			f.addf("duplicate", m.Name, "%q is both a file and a directory", previous)
			continue // so that everything below the same file is found
		}
		directories += newDirectories(previous, name)
		previous, file = name, !m.IsDir()
	}
	if directories > zip.MaxMembers {
		f.addf("too-many-directories", "", "the members are in %d directories", directories)
	}
}

// newDirectories counts the components of name that the name before it in
// order does not share.
func newDirectories(previous, name string) int {
	shared := 0
	for shared < min(len(previous), len(name)) && previous[shared] == name[shared] {
		shared++
	}
	return strings.Count(name[shared:], "/")
}

// findDistInfo finds the one top-level dist-info directory, which must carry
// the name and version of the file.
func (r *Reader) findDistInfo(f *faults) bool {
	found := map[string]bool{}
	for i := range r.archive.Members {
		top, _, below := strings.Cut(r.archive.Members[i].Name, "/")
		if stem, ok := strings.CutSuffix(top, ".dist-info"); ok && below {
			found[stem] = true
			r.distInfo = stem
			if len(found) > 10 {
				break
			}
		}
	}
	if len(found) != 1 {
		f.addf("dist-info", "", "the wheel has %d .dist-info directories, not one", len(found))
		return false
	}
	if r.Filename.base == "" {
		return true
	}
	name, v, _ := strings.Cut(r.distInfo, "-")
	parsed, err := version.Parse(strings.ReplaceAll(v, "_", "-"))
	if requirements.Normalize(name) != r.Filename.Distribution || err != nil || !r.isVersion(parsed) {
		f.addf("dist-info", r.distInfo+".dist-info", "the directory is not that of %s %s", r.Filename.Distribution, r.Filename.Version)
	}
	return true
}

// isVersion says whether v is the file name's version, or that without its
// local part: some build systems leave it out of METADATA.
func (r *Reader) isVersion(v version.Version) bool {
	if v.Equal(r.Filename.Version) {
		return true
	}
	public, _, _ := strings.Cut(r.Filename.Version.String(), "+")
	p, err := version.Parse(public)
	return err == nil && v.Equal(p)
}

// checkData holds the .data directory against the installation scheme, whose
// keys are the only names below it.
func (r *Reader) checkData(f *faults) {
	for i := range r.archive.Members {
		name := r.archive.Members[i].Name
		top, _, below := strings.Cut(name, "/")
		if !below || !strings.HasSuffix(top, ".data") {
			continue
		}
		if top != r.distInfo+".data" {
			f.addf("data-directory", name, "installers disagree on a data directory that is not %s.data", r.distInfo)
			continue
		}
		key, rest, _ := r.DataScheme(name)
		switch key {
		case "":
			// The directory itself.
		case "purelib", "platlib", "headers", "data", "scripts":
			if rest == "" && !r.archive.Members[i].IsDir() {
				f.addf("data-directory", name, "%q is a file, not a directory", key)
			}
			r.checkScript(key, rest, name, f)
		default:
			f.addf("data-directory", name, "%q is not a key of an installation scheme (purelib, platlib, headers, scripts, data)", key)
		}
	}
}

func (r *Reader) checkScript(key, rest, name string, f *faults) {
	switch {
	case key == "scripts" && strings.Contains(rest, "/"):
		f.add("data-directory", name, "a directory inside scripts")
	case key == "data":
		rest, _ = strings.CutPrefix(rest, "bin/")
		if strings.Contains(rest, "/") || !strings.HasPrefix(name, r.distInfo+".data/data/bin/") {
			return
		}
	case key != "scripts":
		return
	}
	if isInterpreter(rest) && rest != "" {
		f.addf("reserved-script", name, "the script %q would replace a Python interpreter", rest)
	}
}

// readDistInfo opens a file of the dist-info directory; a missing one is a fault.
func (r *Reader) readDistInfo(name string, limit int64, f *faults) io.ReadCloser {
	path := r.distInfo + ".dist-info/" + name
	file, ok := r.find(path)
	if !ok {
		f.addf("missing-"+strings.ToLower(name), path, "the wheel has no %s", name)
		return nil
	}
	if file.Size() > limit {
		f.addf(strings.ToLower(name), path, "%d bytes; at most %d are read", file.Size(), limit)
		return nil
	}
	return r.archive.Open(file.member())
}

func (r *Reader) readMetadata(f *faults) {
	c := r.readDistInfo("METADATA", 64<<20, f)
	if c == nil {
		return
	}
	defer c.Close()
	path := r.distInfo + ".dist-info/METADATA"
	var errs []error
	r.Metadata, errs = ParseMetadata(c)
	for _, err := range errs {
		f.add("metadata", path, err.Error())
	}
	if r.Filename.base == "" {
		return
	}
	if r.Metadata.Name != "" && r.Metadata.Name != r.Filename.Distribution {
		f.addf("name-mismatch", path, "it names %q, but the file name says %q", r.Metadata.Name, r.Filename.Distribution)
	}
	if !r.Metadata.Version.IsZero() && !r.isVersion(r.Metadata.Version) {
		f.addf("version-mismatch", path, "it says version %s, but the file name says %s", r.Metadata.Version, r.Filename.Version)
	}
}

func (r *Reader) readInfo(f *faults) {
	c := r.readDistInfo("WHEEL", 1<<20, f)
	if c == nil {
		return
	}
	defer c.Close()
	path := r.distInfo + ".dist-info/WHEEL"
	var errs []error
	r.Info, errs = parseInfo(c)
	for _, err := range errs {
		f.add("wheel-metadata", path, err.Error())
	}
	if r.Filename.base != "" {
		r.compareTags(path, f)
	}
}

func (r *Reader) readEntryPoints(f *faults) {
	path := r.distInfo + ".dist-info/entry_points.txt"
	file, ok := r.find(path)
	if !ok {
		return
	}
	c := r.archive.Open(file.member())
	defer c.Close()
	var errs []error
	r.EntryPoints, errs = ParseEntryPoints(c)
	for _, err := range errs {
		f.add("entry-points", path, err.Error())
	}
	for _, e := range r.EntryPoints {
		if code, message := checkScriptName(e.Name); code != "" {
			f.add(code, path, message)
		}
	}
}

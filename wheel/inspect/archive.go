package inspect

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

const (
	arMagic      = "!<arch>\n"
	arHeader     = 60
	maxNames     = 16 << 20 // of the table of long names
	maxMembers   = 1 << 17
	maxNameBytes = 4096
)

// archive reads a static library: its objects, one after the other.
type archive struct {
	path string
	opts Options

	state  func(*archive, []byte) int
	head   []byte
	member string
	left   int64 // bytes of the member that are still to come
	index  int   // of the member
	scan   *Scanner
	names  []byte // the table of long names
	err    error

	files []*File
	again map[int]*Scanner // members that have to come by once more
	next  map[int]*Scanner
	pass  int
}

func newArchive(path string, o Options) *archive {
	a := &archive{path: path, opts: o, again: map[int]*Scanner{}}
	a.rewind()
	return a
}

func (a *archive) rewind() {
	a.state, a.head, a.index, a.names = (*archive).readMagic, a.head[:0], 0, nil
	a.next = map[int]*Scanner{}
}

func (a *archive) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 && a.err == nil {
		p = p[a.state(a, p):]
	}
	return n, nil
}

func (a *archive) readMagic(p []byte) int {
	used := min(len(p), len(arMagic)-len(a.head))
	a.head = append(a.head, p[:used]...)
	if len(a.head) == len(arMagic) {
		a.state, a.head = (*archive).readHeader, a.head[:0]
	}
	return used
}

// readHeader reads a member's header: name 16, …, size 10, "`\n". Between
// members there may be a newline that makes offsets even.
func (a *archive) readHeader(p []byte) int {
	if len(a.head) == 0 && p[0] == '\n' {
		return 1
	}
	used := min(len(p), arHeader-len(a.head))
	a.head = append(a.head, p[:used]...)
	if len(a.head) < arHeader {
		return used
	}
	size, err := strconv.ParseUint(strings.TrimRight(string(a.head[48:58]), " "), 10, 40)
	if err != nil || string(a.head[58:]) != "`\n" {
		a.err = errors.New("the header of an archive's member is damaged")
		return used
	}
	if a.index++; a.index > maxMembers {
		a.err = fmt.Errorf("the archive has more than %d members", maxMembers)
		return used
	}
	a.left = int64(size)
	name := strings.TrimRight(string(a.head[:16]), " ")
	a.head = a.head[:0]
	a.enter(name)
	return used
}

// enter begins the member whose header has the given name.
func (a *archive) enter(name string) {
	a.state = (*archive).skip
	switch bsd, ok := strings.CutPrefix(name, "#1/"); {
	case name == "/" || name == "/SYM64/" || strings.HasPrefix(name, "__.SYMDEF"):
	case name == "//":
		if a.left > maxNames {
			a.err = errors.New("the archive's table of names is too long")
		}
		a.state = (*archive).readNames
	case ok:
		n, err := strconv.ParseInt(bsd, 10, 32)
		if err != nil || n < 0 || n > maxNameBytes || n > a.left {
			a.err = errors.New("the name of an archive's member is damaged")
			return
		}
		a.member = strconv.FormatInt(n, 10)
		a.state = (*archive).readBSDName
	default:
		a.open(a.longName(name))
	}
	a.leave()
}

// longName is the name that stands for "/123" in the table, or a short one
// without the slash that ends it.
func (a *archive) longName(name string) string {
	if at, err := strconv.ParseUint(strings.TrimPrefix(name, "/"), 10, 31); err == nil && name[0] == '/' && at < uint64(len(a.names)) {
		long := a.names[at:min(int(at)+maxNameBytes, len(a.names))]
		long, _, _ = bytes.Cut(long, []byte("\n"))
		name = string(long)
	}
	return strings.TrimSuffix(name, "/")
}

// open makes the scanner of a member, unless it has been read already.
func (a *archive) open(name string) {
	a.state = (*archive).scanMember
	a.scan = a.again[a.index]
	if a.pass == 0 {
		a.scan = NewScanner(fmt.Sprintf("%s(%s)", a.path, name), a.opts)
		a.scan.within = true
	}
}

func (a *archive) readNames(p []byte) int {
	used := a.take(p)
	a.names = append(a.names, p[:used]...)
	a.leave()
	return used
}

func (a *archive) readBSDName(p []byte) int {
	n, _ := strconv.Atoi(a.member)
	used := min(len(p), n-len(a.head))
	a.head = append(a.head, p[:used]...)
	a.left -= int64(used)
	if len(a.head) == n {
		name := strings.TrimRight(string(a.head), "\x00")
		a.head = a.head[:0]
		if a.state = (*archive).skip; !strings.HasPrefix(name, "__.SYMDEF") {
			a.open(name)
		}
		a.leave()
	}
	return used
}

func (a *archive) skip(p []byte) int {
	used := a.take(p)
	a.leave()
	return used
}

func (a *archive) scanMember(p []byte) int {
	used := a.take(p)
	if a.scan != nil {
		_, _ = a.scan.Write(p[:used]) // never fails
	}
	a.leave()
	return used
}

func (a *archive) take(p []byte) int {
	used := int(min(int64(len(p)), a.left))
	a.left -= int64(used)
	return used
}

// leave ends the member when all of it has come.
func (a *archive) leave() {
	if a.left > 0 || a.err != nil {
		return
	}
	a.state = (*archive).readHeader
	if a.scan == nil {
		return
	}
	if a.scan.Again() {
		a.next[a.index] = a.scan
	} else {
		var files []*File
		files, a.err = a.scan.Files()
		a.files = append(a.files, files...)
	}
	a.scan = nil
}

func (a *archive) finish(int64) ([]*File, bool, error) {
	if a.err == nil && (a.left > 0 || len(a.head) > 0) {
		a.err = errors.New("the archive is truncated")
	}
	a.pass++
	a.again = a.next
	a.rewind()
	return a.files, len(a.again) > 0 && a.err == nil, a.err
}

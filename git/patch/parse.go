package patch

import (
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"
)

// parser stands at line next of a patch.
type parser struct {
	name  string
	lines []string
	next  int
}

func (p *parser) errorf(format string, args ...any) error {
	return &SyntaxError{Name: p.name, Line: min(p.next+1, max(len(p.lines), 1)), Msg: fmt.Sprintf(format, args...)}
}

// peek is the current line without its line end.
func (p *parser) peek() string {
	if p.next >= len(p.lines) {
		return ""
	}
	return strings.TrimRight(p.lines[p.next], "\r\n")
}

// files reads every file's part; text between them, such as a mail's head, is
// passed over.
func (p *parser) files() ([]File, error) {
	var files []File
	for p.next < len(p.lines) {
		line := p.peek()
		var f File
		var err error
		switch {
		case strings.HasPrefix(line, "diff --git "):
			f, err = p.gitFile()
		case p.startsPlain():
			f, err = p.plainFile()
		case strings.HasPrefix(line, "@@ -"):
			return nil, p.errorf("a hunk comes before the names of its file")
		default:
			p.next++
			continue
		}
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	return files, nil
}

// startsPlain is whether the names of a file and its first hunk stand here. A
// mail's text may hold lines like those of the names.
func (p *parser) startsPlain() bool {
	for i, prefix := range []string{"--- ", "+++ ", "@@ -"} {
		if i == 2 && p.next+i == len(p.lines) {
			return true // cut off there, which is said
		}
		if p.next+i >= len(p.lines) || !strings.HasPrefix(p.lines[p.next+i], prefix) {
			return false
		}
	}
	return true
}

// plainFile reads a part that diff -u wrote. /dev/null stands for no file.
func (p *parser) plainFile() (File, error) {
	f := File{line: p.next + 1}
	if err := p.names(&f); err != nil {
		return f, err
	}
	return f, p.hunks(&f)
}

// names reads the --- and +++ lines.
func (p *parser) names(f *File) error {
	for _, side := range []struct {
		prefix string
		name   *string
	}{{"--- ", &f.Old}, {"+++ ", &f.New}} {
		rest, ok := strings.CutPrefix(p.peek(), side.prefix)
		if !ok {
			return p.errorf("a line with %q is missing here", strings.TrimSpace(side.prefix))
		}
		// diff -u puts a tab and a time after the name; that of no file is the
		// epoch, where diff -N wrote it.
		name, err := p.path(rest)
		if err != nil {
			return err
		}
		if _, when, ok := strings.Cut(rest, "\t"); ok && isEpoch(when) {
			name = ""
		}
		*side.name = name
		p.next++
	}
	if f.Old == "" && f.New == "" {
		return p.errorf("both names are /dev/null")
	}
	return nil
}

// isEpoch is whether a time is 1970-01-01 00:00 UTC, in any zone.
func isEpoch(when string) bool {
	t, err := time.Parse("2006-01-02 15:04:05 -0700", strings.TrimSpace(when))
	return err == nil && t.Unix() == 0
}

// gitFile reads a part that git wrote: its extended header, and hunks if there
// are any.
func (p *parser) gitFile() (File, error) {
	f := File{line: p.next + 1}
	header := strings.TrimPrefix(p.peek(), "diff --git ")
	p.next++
	var added, deleted, named bool
	for ; p.next < len(p.lines); p.next++ {
		line := p.peek()
		var err error
		switch key, value := extended(line); key {
		case "old mode":
			f.OldMode, err = p.mode(value)
		case "new mode":
			f.NewMode, err = p.mode(value)
		case "deleted file mode":
			f.OldMode, err = p.mode(value)
			deleted = true
		case "new file mode":
			f.NewMode, err = p.mode(value)
			added = true
		case "rename from", "copy from":
			f.Old, err = p.bare(value)
			f.Copy, named = key == "copy from", true
		case "rename to", "copy to":
			f.New, err = p.bare(value)
		case "index", "similarity index", "dissimilarity index":
		case "GIT binary patch", "Binary files":
			return f, p.errorf("binary changes cannot be applied; add the file in another way")
		default:
			return p.gitHunks(f, header, added, deleted, named)
		}
		if err != nil {
			return f, err
		}
	}
	return p.gitHunks(f, header, added, deleted, named)
}

// extended splits a line of git's extended header.
func extended(line string) (key, value string) {
	for _, key := range []string{
		"old mode", "new mode", "deleted file mode", "new file mode", "rename from", "rename to",
		"copy from", "copy to", "index", "similarity index", "dissimilarity index", "GIT binary patch", "Binary files",
	} {
		if value, ok := strings.CutPrefix(line, key); ok && (value == "" || value[0] == ' ') {
			return key, strings.TrimPrefix(value, " ")
		}
	}
	return "", ""
}

func (p *parser) gitHunks(f File, header string, added, deleted, named bool) (File, error) {
	if strings.HasPrefix(p.peek(), "--- ") {
		var n File
		if err := p.names(&n); err != nil {
			return f, err
		}
		if !named {
			f.Old, f.New = n.Old, n.New
		}
		return f, p.hunks(&f)
	}
	if named {
		return f, nil
	}
	// Only a mode or an empty file: both names are the same.
	half := len(header) / 2
	if len(header) < 5 || header[half] != ' ' {
		return f, p.errorf("the names in %q cannot be told apart", header)
	}
	name, err := p.path(header[half+1:])
	if err != nil {
		return f, err
	}
	f.Old, f.New = name, name
	if added {
		f.Old = ""
	}
	if deleted {
		f.New = ""
	}
	if !added && !deleted && f.OldMode == f.NewMode {
		return f, p.errorf("nothing is changed in %s", name)
	}
	return f, nil
}

func (p *parser) mode(text string) (os.FileMode, error) {
	switch text {
	case "100644":
		return 0o644, nil
	case "100755":
		return 0o755, nil
	case "120000":
		return os.ModeSymlink, nil
	case "160000":
		return 0, &SyntaxError{Name: p.name, Line: p.next + 1, Msg: ErrSubmodule.Error(), Err: ErrSubmodule}
	}
	return 0, p.errorf("the mode %q is not one of 100644, 100755, 120000", text)
}

// path reads a name with a leading element to take off, or /dev/null.
func (p *parser) path(text string) (string, error) {
	// A tab follows a name with a space, and a quoted one likewise.
	if quoted, err := strconv.QuotedPrefix(text); err == nil && text[0] == '"' {
		if rest := text[len(quoted):]; rest == "" || rest[0] == '\t' {
			text = quoted
		}
	} else {
		text, _, _ = strings.Cut(text, "\t")
	}
	if text == "/dev/null" {
		return "", nil
	}
	name, err := p.unquote(text)
	if err != nil {
		return "", err
	}
	_, rest, ok := strings.Cut(name, "/")
	if !ok {
		return "", p.errorf("the name %q has no leading a/ or b/", name)
	}
	return rest, p.checkPath(rest)
}

// bare reads a name as it is.
func (p *parser) bare(text string) (string, error) {
	name, err := p.unquote(text)
	if err != nil {
		return "", err
	}
	return name, p.checkPath(name)
}

// unquote undoes the quoting that git gives names with other bytes than ASCII.
func (p *parser) unquote(text string) (string, error) {
	if !strings.HasPrefix(text, `"`) {
		return text, nil
	}
	name, err := strconv.Unquote(text)
	if err != nil {
		return "", p.errorf("the name %s is not quoted as git does", text)
	}
	return name, nil
}

// checkPath refuses names that lead out of the tree or into a repository.
func (p *parser) checkPath(name string) error {
	if !fs.ValidPath(name) || name == "." || strings.ContainsAny(name, "\\\x00") {
		return p.errorf("the name %q leaves the tree", name)
	}
	for part := range strings.SplitSeq(name, "/") {
		if strings.EqualFold(part, ".git") {
			return p.errorf("the name %q leads into a repository's own files", name)
		}
	}
	return nil
}

func (p *parser) hunks(f *File) error {
	for strings.HasPrefix(p.peek(), "@@ ") {
		h, err := p.hunk()
		if err != nil {
			return err
		}
		f.Hunks = append(f.Hunks, h)
	}
	if len(f.Hunks) == 0 {
		return p.errorf("no hunk follows the names of its file")
	}
	if len(f.Hunks) > 1 && (f.Old == "" || f.New == "") {
		return p.errorf("a file that is added or deleted has more than one hunk")
	}
	return nil
}

// hunk reads "@@ -OLD,LINES +NEW,LINES @@" and as many lines as it announces.
func (p *parser) hunk() (Hunk, error) {
	h := Hunk{line: p.next + 1}
	fields := strings.Fields(p.peek())
	if len(fields) < 4 || fields[3] != "@@" || !p.span(fields[1], '-', &h.OldStart, &h.OldLines) ||
		!p.span(fields[2], '+', &h.NewStart, &h.NewLines) {
		return h, p.errorf("%q does not begin a hunk", p.peek())
	}
	p.next++
	for old, added := 0, 0; old < h.OldLines || added < h.NewLines; {
		if p.next >= len(p.lines) {
			return h, p.errorf("the hunk is truncated")
		}
		line := p.lines[p.next]
		if line == "\n" || line == "\r\n" {
			line = " " + line // some mailers strip the space of an empty line
		}
		switch line[0] {
		case ' ':
			old, added = old+1, added+1
		case '-':
			old++
		case '+':
			added++
		default:
			return h, p.errorf("%q is not a line of a hunk", strings.TrimSpace(line))
		}
		if old > h.OldLines || added > h.NewLines {
			return h, p.errorf("the hunk is longer than it says")
		}
		if !strings.HasSuffix(line, "\n") {
			line += "\n" // of the patch itself
		}
		p.next++
		if strings.HasPrefix(p.peek(), `\ `) {
			line = strings.TrimSuffix(line, "\n")
			p.next++
		}
		h.Lines = append(h.Lines, Line{line[0], line[1:]})
	}
	return h, nil
}

// span reads "-12,3"; a missing count is 1.
func (p *parser) span(text string, sign byte, start, lines *int) bool {
	if text[0] != sign {
		return false
	}
	first, count, given := strings.Cut(text[1:], ",")
	var err1, err2 error
	*start, err1 = strconv.Atoi(first)
	*lines = 1
	if given {
		*lines, err2 = strconv.Atoi(count)
	}
	return err1 == nil && err2 == nil && *start >= 0 && *lines >= 0
}

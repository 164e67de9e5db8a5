package layer

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// planner cuts the tar into segments. What it decides depends on the tree and
// the options alone, never on timing: the cuts are part of the digest.
type planner struct {
	tree  fs.FS
	opt   Options
	emit  func(*segment) error
	parts []part
	size  int64
}

// run emits the whole tar of the entries.
func (p *planner) run(ctx context.Context, list []*entry) error {
	for _, e := range list {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := p.entry(e); err != nil {
			return fmt.Errorf("writing %s: %w", e.name, err)
		}
	}
	if err := p.add(part{bytes: trailer[:], size: int64(len(trailer))}); err != nil {
		return err
	}
	return p.flush()
}

func (p *planner) entry(e *entry) error {
	head, err := headerBytes(e.header(p.opt))
	if err != nil {
		return err
	}
	if err := p.add(part{bytes: head, size: int64(len(head))}); err != nil {
		return err
	}
	if e.kind != tar.TypeReg || e.size == 0 {
		return nil
	}
	if err := p.content(e.path, e.size); err != nil {
		return err
	}
	pad := padding(e.size)
	return p.add(part{bytes: pad, size: int64(len(pad))})
}

func (p *planner) content(path string, size int64) error {
	if size < spliceMin {
		return p.add(part{path: path, size: size})
	}
	if p.opt.Compression == Gzip {
		f, err := p.tree.Open(path)
		if err != nil {
			return err
		}
		s, err := deflated(f, path, size)
		if s != nil {
			return p.addSplice(s)
		}
		f.Close()
		if err != nil {
			return err
		}
	}
	if size <= packSize {
		return p.add(part{path: path, size: size})
	}
	f, err := p.tree.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return p.stream(f, size)
}

// add puts a part of at most packSize into the segment at hand, or into the
// next one when it does not fit.
func (p *planner) add(a part) error {
	if p.size+a.size > packSize {
		if err := p.flush(); err != nil {
			return err
		}
	}
	if a.size > 0 {
		p.parts = append(p.parts, a)
		p.size += a.size
	}
	return nil
}

func (p *planner) flush() error {
	if len(p.parts) == 0 {
		return nil
	}
	seg := newSegment()
	seg.parts, p.parts, p.size = p.parts, nil, 0
	return p.emit(seg)
}

func (p *planner) addSplice(s *splice) error {
	seg := newSegment()
	seg.splice = s
	err := p.flush()
	if err == nil {
		err = p.emit(seg)
	}
	if err != nil {
		seg.close()
	}
	return err
}

// stream adds a file too large for one segment, read here piece by piece.
func (p *planner) stream(f io.Reader, size int64) error {
	for left := size; left > 0; {
		if p.size == packSize {
			if err := p.flush(); err != nil {
				return err
			}
		}
		lent := getPack()
		b := lent.mem[:min(left, packSize-p.size)]
		if n, err := fill(f, b); err != nil && (!errors.Is(err, io.EOF) || n < len(b)) {
			return shortError(err, size-left+int64(n), size)
		}
		left -= int64(len(b))
		if err := p.add(part{bytes: b, lent: lent, size: int64(len(b))}); err != nil {
			return err
		}
	}
	return atEnd(f, size)
}

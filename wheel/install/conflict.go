package install

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/sparkwheel/sparkwheel/requirements"
	"github.com/sparkwheel/sparkwheel/wheel"
)

// Conflict is one path that two wheels want for themselves.
type Conflict struct {
	Path          string // "" where the wheels are of one distribution
	First, Second string // file names of the wheels
	Message       string
}

// ConflictError holds every conflict between the wheels of a tree; there is at
// least one.
type ConflictError struct{ Conflicts []Conflict }

func (e *ConflictError) Error() string {
	const shown = 20
	var b strings.Builder
	fmt.Fprintf(&b, "installing wheels together: %d conflict", len(e.Conflicts))
	if len(e.Conflicts) != 1 {
		b.WriteByte('s')
	}
	for i, c := range e.Conflicts {
		if i == shown {
			fmt.Fprintf(&b, "\n  and %d more", len(e.Conflicts)-shown)
			break
		}
		fmt.Fprintf(&b, "\n  %s and %s: %s", c.First, c.Second, c.Message)
		if c.Path != "" {
			fmt.Fprintf(&b, ": %s", c.Path)
		}
	}
	return b.String()
}

// checkDistributions finds wheels of one distribution: each would be installed
// over the other.
func (b *builder) checkDistributions() {
	seen := map[requirements.Name]*wheel.Reader{}
	for _, r := range b.wheels {
		name := r.Filename.Distribution
		if first := seen[name]; first != nil {
			b.conflicts = append(b.conflicts, Conflict{
				First: first.Filename.String(), Second: r.Filename.String(),
				Message: fmt.Sprintf("both are the distribution %s", name),
			})
			continue
		}
		seen[name] = r
	}
}

// dir makes the directory and its parents; nil without an error where a file is
// in the way, which is then noted.
func (o *one) dir(target string) (*node, error) {
	n := o.root
	for part := range strings.SplitSeq(target, "/") {
		c := n.children[part]
		if c == nil {
			c = newDir(part)
			c.wheel = o.index
			n.children[part] = c
		}
		if c.children == nil {
			return nil, o.clash(target, c, "one writes a file where the other has a directory")
		}
		n = c
	}
	return n, nil
}

// put adds a file. Where another wheel has put the same bytes, they are shared,
// and are executable when either says so, whatever the order.
func (o *one) put(target string, n *node) error {
	d, err := o.dir(path.Dir(target))
	if d == nil {
		return err
	}
	n.name, n.wheel = n.baseOf(target), o.index
	old := d.children[n.name]
	switch {
	case old == nil:
		d.children[n.name] = n
		return nil
	case old.children != nil:
		return o.clash(target, old, "one writes a file where the other has a directory")
	case old.wheel == o.index:
		return o.clash(target, old, "")
	}
	same, err := equal(old, n)
	if err != nil {
		return err
	}
	if !same {
		return o.settle(d, target, old, n)
	}
	old.executable = old.executable || n.executable
	return nil
}

// settle gives the path to the file that Over names the winner, if it does.
func (o *one) settle(d *node, target string, old, n *node) error {
	first, second := o.wheels[old.wheel].Filename.Distribution, o.r.Filename.Distribution
	switch {
	case slices.Contains(o.scheme.Over, Over{Winner: second, Loser: first}):
		d.children[n.name] = n
	case slices.Contains(o.scheme.Over, Over{Winner: first, Loser: second}):
	default:
		return o.clash(target, old, "they write one path with different bytes")
	}
	return nil
}

// clash notes that the wheel cannot have the place of old.
func (o *one) clash(target string, old *node, message string) error {
	if old.wheel == o.index {
		o.faults = append(o.faults, wheel.Fault{Code: "installed-twice", Path: target, Message: "two members of the wheel are installed to this path"})
		return nil
	}
	o.conflicts = append(o.conflicts, Conflict{
		Path: target, First: o.wheels[old.wheel].Filename.String(), Second: o.r.Filename.String(), Message: message,
	})
	return nil
}

// equal says whether two files have the same content, by RECORD's hashes where
// there are two.
func equal(a, b *node) (bool, error) {
	if a.size() != b.size() {
		return false, nil
	}
	x, err := a.sha256()
	if err != nil {
		return false, err
	}
	y, err := b.sha256()
	return bytes.Equal(x, y), err
}

func (n *node) sha256() ([]byte, error) {
	switch {
	case n.text != nil:
		sum := sha256.Sum256(n.text)
		return sum[:], nil
	case n.script != nil:
		return n.script.sha256()
	}
	if sum := n.file.SHA256(); sum != nil {
		return sum, nil
	}
	return n.file.HashSHA256()
}

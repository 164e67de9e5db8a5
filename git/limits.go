package git

import (
	"fmt"
	"sync"
)

// Limits bound the tree that a checkout writes, submodules and all. A field
// that is zero is the one of DefaultLimits.
type Limits struct {
	Paths      int   // files, symlinks and directories
	Bytes      int64 // of all files
	Depth      int   // of directories
	Submodules int
}

// DefaultLimits leave room for the largest repositories that are known, and
// end trees that a few small objects make without end.
func DefaultLimits() Limits {
	return Limits{Paths: 1_000_000, Bytes: 64 << 30, Depth: 200, Submodules: 1000}
}

// LimitError says that a tree is larger than what is written. Nothing was.
type LimitError struct {
	What  string // "paths", "bytes", "directories deep", "submodules"
	Limit int64
	Path  string // where the limit was reached
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("refusing a tree of more than %d %s (reached at %.100q)", e.Limit, e.What, e.Path)
}

// budget is what is left of limits. Submodules draw on it at the same time.
type budget struct {
	limits Limits

	mu         sync.Mutex
	paths      int
	bytes      int64
	submodules int
}

func newBudget(l Limits) *budget {
	d := DefaultLimits()
	if l.Paths == 0 {
		l.Paths = d.Paths
	}
	if l.Bytes == 0 {
		l.Bytes = d.Bytes
	}
	if l.Depth == 0 {
		l.Depth = d.Depth
	}
	if l.Submodules == 0 {
		l.Submodules = d.Submodules
	}
	return &budget{limits: l}
}

// take draws a whole tree that stands at a path.
func (b *budget) take(path string, paths int, bytes int64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.paths += paths
	b.bytes += bytes
	switch {
	case b.paths > b.limits.Paths:
		return &LimitError{"paths", int64(b.limits.Paths), path}
	case b.bytes > b.limits.Bytes:
		return &LimitError{"bytes", b.limits.Bytes, path}
	}
	return nil
}

// takeSubmodule draws a submodule.
func (b *budget) takeSubmodule(path string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.submodules++; b.submodules > b.limits.Submodules {
		return &LimitError{"submodules", int64(b.limits.Submodules), path}
	}
	return nil
}

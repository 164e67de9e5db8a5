package git

import (
	"bytes"
	"fmt"

	"github.com/go-git/go-git/v5/plumbing"
)

// The modes that a tree may hold.
const (
	modeDir       = 0o040000
	modeFile      = 0o100644
	modeGroup     = 0o100664 // written by very old gits; checked out as modeFile
	modeExec      = 0o100755
	modeSymlink   = 0o120000
	modeSubmodule = 0o160000
)

// maxTreeSize bounds one directory: at least 200,000 names.
const maxTreeSize = 64 << 20

// treeEntry is one name of a tree object.
type treeEntry struct {
	Mode uint32
	Name string
	Hash plumbing.Hash
}

// parseTree reads a tree object, `MODE NAME NUL HASH` repeated, and refuses
// every entry that a checkout could be attacked with. All of git's own rules
// hold, and a few more: see checkName.
func parseTree(raw []byte) ([]treeEntry, error) {
	if len(raw) > maxTreeSize {
		return nil, fmt.Errorf("the tree has %d bytes; at most %d are read", len(raw), maxTreeSize)
	}
	var entries []treeEntry
	seen := make(map[string]struct{})
	for len(raw) > 0 {
		space := bytes.IndexByte(raw, ' ')
		if space < 5 || space > 6 {
			return nil, fmt.Errorf("the tree is malformed: no mode at an entry's start")
		}
		mode, err := parseMode(raw[:space])
		if err != nil {
			return nil, err
		}
		raw = raw[space+1:]
		end := bytes.IndexByte(raw, 0)
		if end < 0 || len(raw) < end+21 {
			return nil, fmt.Errorf("the tree is malformed: an entry is truncated")
		}
		e := treeEntry{Mode: mode, Name: string(raw[:end])}
		copy(e.Hash[:], raw[end+1:])
		raw = raw[end+21:]
		if err := checkName(e.Name, mode); err != nil {
			return nil, err
		}
		if _, dup := seen[e.Name]; dup {
			return nil, fmt.Errorf("the tree has %q twice", e.Name)
		}
		seen[e.Name] = struct{}{}
		entries = append(entries, e)
	}
	return entries, nil
}

func parseMode(text []byte) (uint32, error) {
	var mode uint32
	if text[0] == '0' {
		return 0, fmt.Errorf("the tree has the mode %q, padded with zeros", text)
	}
	for _, c := range text {
		if c < '0' || c > '7' {
			return 0, fmt.Errorf("the tree has the mode %q", text)
		}
		mode = mode<<3 | uint32(c-'0')
	}
	switch mode {
	case modeDir, modeFile, modeGroup, modeExec, modeSymlink, modeSubmodule:
		return mode, nil
	}
	return 0, fmt.Errorf("the tree has the mode %q", text)
}

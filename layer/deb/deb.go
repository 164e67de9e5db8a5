// Package deb reads Debian binary packages (deb(5)) and makes a layer's tree of
// what installing them changed. It unpacks nothing: dpkg does that, in a
// sandbox, once every package was read here and found harmless.
package deb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/sparkwheel/sparkwheel/layer/internal/contextio"
)

// Package is a .deb file that was read to its end.
type Package struct {
	Name, Version, Architecture string
	Files                       []File   // of data.tar, in its order
	Scripts                     []string // maintainer scripts that it has, such as postinst; sorted
}

// File is an entry of a package's data.tar.
type File struct {
	Path        string // slash path below the image's root; "." for the root itself
	Type        byte   // tar.TypeReg, TypeDir, TypeSymlink or TypeLink
	Mode        int64  // permissions, setuid, setgid and sticky as tar has them
	UID, GID    int
	User, Group string
	Size        int64
	Link        string // of a symbolic link what it says, of a hard link a Path
}

// ReadFile reads the package at path as Read does.
func ReadFile(ctx context.Context, path string) (*Package, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	p, err := Read(ctx, f)
	return p, errors.Join(err, f.Close())
}

// Read reads a package from its first byte to its last and refuses one that
// dpkg should not get to see: truncated or padded, with entries that leave the
// root, stand twice, go through a link, or are devices; one that unpacks to a
// thousand times its size. Memory grows with the number of its files alone.
func Read(ctx context.Context, r io.Reader) (*Package, error) {
	return ReadContents(ctx, r, func(File, io.Reader) error { return nil })
}

// ReadContents is Read, and gives use the content of every plain file as it goes
// by. Nothing of it is vouched for before ReadContents returns without an error.
func ReadContents(ctx context.Context, r io.Reader, use func(File, io.Reader) error) (*Package, error) {
	a, err := newArchive(contextio.NewReader(ctx, r))
	if err != nil {
		return nil, fmt.Errorf("reading the package: %w", err)
	}
	p := &Package{}
	for _, step := range []struct {
		name string
		read func(io.Reader, string) error
	}{
		{"debian-binary", readFormat},
		{"control.tar", p.readControl},
		{"data.tar", func(r io.Reader, suffix string) error { return p.readData(r, suffix, use) }},
	} {
		name, err := a.next()
		if err != nil {
			return nil, fmt.Errorf("reading the package: looking for its %s: %w", step.name, err)
		}
		suffix, ok := strings.CutPrefix(name, step.name)
		if !ok {
			return nil, fmt.Errorf("reading the package: %q is where its %s should be", name, step.name)
		}
		if err := step.read(a, suffix); err != nil {
			return nil, fmt.Errorf("reading the package's %s: %w", name, err)
		}
	}
	if name, err := a.next(); !errors.Is(err, io.EOF) {
		return nil, errors.Join(fmt.Errorf("reading the package: %q follows its last part", name), err)
	}
	return p, nil
}

func readFormat(r io.Reader, suffix string) error {
	text, err := io.ReadAll(io.LimitReader(r, 64))
	if err != nil {
		return err
	}
	if suffix != "" || !strings.HasPrefix(string(text), "2.") || !strings.HasSuffix(string(text), "\n") {
		return fmt.Errorf("format %q is not 2", text)
	}
	return nil
}

// Check compares the package with what a lock says that it is, for a system of
// the given architecture (amd64, arm64).
func (p *Package) Check(name, version, architecture, system string) error {
	if p.Name != name || p.Version != version || p.Architecture != architecture {
		return fmt.Errorf("the package is %s %s (%s), not %s %s (%s)", p.Name, p.Version, p.Architecture, name, version, architecture)
	}
	if architecture != "all" && architecture != system {
		return fmt.Errorf("the package %s is for %s, but the image is for %s", name, architecture, system)
	}
	return nil
}

package deb

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"
)

// maxControl bounds what control.tar unpacks to: checksums of a hundred
// thousand files are ten megabytes.
const maxControl = 64 << 20

// nameRE is what Debian's policy (5.6.1) has a name be.
var nameRE = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]+$`)

// scripts are the files of control.tar that dpkg runs.
var scripts = [...]string{"config", "postinst", "postrm", "preinst", "prerm"}

func (p *Package) readControl(r io.Reader, suffix string) error {
	var control []byte
	err := unpacked(r, suffix, func(r io.Reader) error {
		limited := &io.LimitedReader{R: r, N: maxControl}
		seen := map[string]bool{}
		err := eachEntry(limited, func(h *tar.Header, r io.Reader) (err error) {
			name, err := cleanPath(h.Name)
			if err != nil || name == "." {
				return err
			}
			if path.Dir(name) != "." || h.Typeflag != tar.TypeReg || seen[name] {
				return fmt.Errorf("%q is not a plain file at the top", h.Name)
			}
			seen[name] = true
			if slices.Contains(scripts[:], name) {
				p.Scripts = append(p.Scripts, name)
			}
			if name == "control" {
				control, err = io.ReadAll(io.LimitReader(r, 1<<20))
			}
			return err
		})
		if limited.N == 0 {
			return fmt.Errorf("it unpacks to more than %d MiB", maxControl>>20)
		}
		return err
	})
	if err != nil {
		return err
	}
	slices.Sort(p.Scripts)
	return p.setFields(string(control))
}

// setFields reads the one stanza of a control file (deb-control(5)).
func (p *Package) setFields(control string) error {
	fields := map[string]*string{"package": &p.Name, "version": &p.Version, "architecture": &p.Architecture}
	for line := range strings.Lines(control) {
		if strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t") {
			continue
		}
		key, value, _ := strings.Cut(line, ":")
		field, ok := fields[strings.ToLower(key)]
		if !ok {
			continue
		}
		if *field != "" {
			return fmt.Errorf("control has %s twice", key)
		}
		*field = strings.TrimSpace(value)
	}
	if p.Name == "" || p.Version == "" || p.Architecture == "" {
		return errors.New("control has no Package, Version or Architecture")
	}
	if !nameRE.MatchString(p.Name) {
		return fmt.Errorf("%q is not a package name", p.Name)
	}
	return nil
}

// eachEntry calls use for every entry of a tar and reads it to its end.
func eachEntry(r io.Reader, use func(*tar.Header, io.Reader) error) error {
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = use(h, tr)
		}
		if err == nil {
			_, err = io.Copy(io.Discard, tr)
		}
		if err != nil {
			return fmt.Errorf("reading its tar: %w", err)
		}
	}
	_, err := io.Copy(zeros{}, r)
	return err
}

// zeros refuses bytes after a tar's end that are not padding.
type zeros struct{}

func (zeros) Write(p []byte) (int, error) {
	if i := slices.IndexFunc(p, func(b byte) bool { return b != 0 }); i >= 0 {
		return i, errors.New("bytes follow the end of its tar")
	}
	return len(p), nil
}

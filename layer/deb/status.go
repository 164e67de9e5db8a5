package deb

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// Where dpkg keeps what it knows of every package (deb-control fields, a blank
// line between packages); images without dpkg have a file for each in statusDir.
const statusFile = "var/lib/dpkg/status"

// maxField bounds a line of a status file: descriptions are the longest.
const maxField = 1 << 20

// Installed is the version and architecture of an installed Debian package, ""
// for one that is not installed whole. fsys begins at the image's root.
func Installed(fsys fs.FS, name string) (version, architecture string, err error) {
	for _, file := range []string{statusFile, statusDir + "/" + name} {
		version, architecture, err = installedIn(fsys, file, name)
		if err != nil {
			return "", "", fmt.Errorf("reading which packages are installed: %w", err)
		}
		if version != "" {
			break
		}
	}
	return version, architecture, nil
}

func installedIn(fsys fs.FS, file, name string) (version, architecture string, err error) {
	f, err := fsys.Open(file)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrInvalid) {
		return "", "", nil
	}
	if err != nil {
		return "", "", err
	}
	defer f.Close()
	fields := map[string]string{}
	found := func() bool {
		// A file of statusDir has no Status: what it describes is there.
		words := strings.Fields(fields["Status"])
		return fields["Package"] == name && (len(words) == 0 && file != statusFile || len(words) == 3 && words[2] == "installed")
	}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, maxField)
	for lines.Scan() {
		line := lines.Text()
		if line == "" {
			if found() {
				break
			}
			clear(fields)
			continue
		}
		if key, value, ok := strings.Cut(line, ":"); ok && line[0] != ' ' && line[0] != '\t' {
			fields[key] = strings.TrimSpace(value)
		}
	}
	if err := lines.Err(); err != nil || !found() {
		return "", "", err
	}
	return fields["Version"], fields["Architecture"], nil
}

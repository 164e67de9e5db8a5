package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// prepare makes sure that the programs are there that the demo drives besides
// sparkwheel: it installs them by package name when it is root, else says the
// one command.
func prepare(ctx context.Context, makesBase bool, say func(string, ...any)) error {
	wanted := map[string]string{"git": "git"} // program to package
	if makesBase {
		wanted["mmdebstrap"] = "mmdebstrap"
		if os.Geteuid() != 0 {
			wanted["newuidmap"] = "uidmap"
		}
	}
	var missing []string
	for _, program := range []string{"git", "mmdebstrap", "newuidmap"} {
		if pkg := wanted[program]; pkg != "" {
			if _, err := exec.LookPath(program); err != nil {
				missing = append(missing, pkg)
			}
		}
	}
	if len(missing) == 0 {
		return nil
	}
	install := "apt-get install -y --no-install-recommends " + strings.Join(missing, " ")
	if os.Geteuid() != 0 {
		return fmt.Errorf("%s is not installed; run `sudo %s`, then `make demo` again", strings.Join(missing, " and "), install)
	}
	say("  %s", install)
	for _, command := range []string{"apt-get update", install} {
		cmd := exec.CommandContext(ctx, "sh", "-c", command)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", command, err, tail(out))
		}
	}
	return nil
}

// makeBase bootstraps a root file system with Python, of the host's own
// release, as a tar file. The fixed time makes it the same for every user.
func makeBase(ctx context.Context, file string) (err error) {
	codename, err := codename("/etc/os-release")
	if err != nil {
		return err
	}
	half := file + ".part"
	defer func() { err = errors.Join(err, os.RemoveAll(half)) }()
	cmd := exec.CommandContext(ctx, "mmdebstrap", "--variant=minbase", "--include=python3", "--format=tar",
		"--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*",
		"--dpkgopt=path-exclude=/usr/share/locale/*", "--dpkgopt=path-exclude=/usr/share/info/*",
		codename, half)
	cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=1767225600", "LC_ALL=C")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("mmdebstrap: %w\n%s\nuse a root file system of your own instead: `make demo BASE=tar:FILE`", err, tail(out))
	}
	return os.Rename(half, file)
}

// codename reads VERSION_CODENAME, the name under which a release's packages
// are found.
func codename(osRelease string) (string, error) {
	f, err := os.Open(osRelease)
	if err != nil {
		return "", err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if v, ok := strings.CutPrefix(lines.Text(), "VERSION_CODENAME="); ok && v != "" {
			return strings.Trim(v, `"'`), nil
		}
	}
	return "", errors.Join(lines.Err(), fmt.Errorf("%s does not name a release of Debian or Ubuntu; use a root file system with Python: `make demo BASE=tar:FILE`", osRelease))
}

// tail keeps the last lines of a program's output.
func tail(out []byte) []byte {
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	return bytes.Join(lines[max(0, len(lines)-15):], []byte("\n"))
}

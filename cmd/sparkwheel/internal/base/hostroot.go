package base

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// HostRoot is this host's own system as the root of a build, for a recipe that
// says root = "host". No lock pins it, so it stands in the wheel's key and in
// build.json.
type HostRoot struct {
	System   string `json:"system"`             // PRETTY_NAME of os-release
	Packages string `json:"packages,omitempty"` // sha256 of dpkg's list of what is installed
	Python   string `json:"python"`             // path of its interpreter
}

// ReadHost learns about the system below root, whose Python must be of the
// given version: that is what the lock's wheels were chosen for.
func ReadHost(root, python string) (*HostRoot, error) {
	path, err := findPython(root)
	if err != nil {
		return nil, fmt.Errorf("building on the host's own system: %w", err)
	}
	os3 := filepath.Join(root, filepath.Dir(filepath.Dir(path)), "lib", "python"+python, "os.py")
	if _, err := os.Stat(os3); err != nil {
		return nil, fmt.Errorf("building on the host's own system: its %s is not Python %s, for which the lock was made: %w; use a base with the host's version, or root = \"base\"", path, python, err)
	}
	h := &HostRoot{Python: path}
	release, err := os.ReadFile(filepath.Join(root, "etc/os-release"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("building on the host's own system: %w", err)
	}
	for line := range strings.Lines(string(release)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "PRETTY_NAME="); ok {
			h.System = strings.Trim(name, `"`)
		}
	}
	installed, err := os.Open(filepath.Join(root, "var/lib/dpkg/status"))
	if errors.Is(err, fs.ErrNotExist) {
		return h, nil
	}
	if err != nil {
		return nil, fmt.Errorf("building on the host's own system: %w", err)
	}
	defer installed.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, installed); err != nil {
		return nil, fmt.Errorf("building on the host's own system: %w", err)
	}
	h.Packages = hex.EncodeToString(sum.Sum(nil))
	return h, nil
}

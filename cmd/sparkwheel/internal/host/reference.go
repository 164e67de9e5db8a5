package host

import (
	"fmt"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
)

// SplitTag takes the DIR[:TAG] of an OCI layout apart; the tag is latest where
// none is given, as docker has it.
func SplitTag(s string) (dir, tag string) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 || strings.Contains(s[i:], "/") {
		return s, "latest"
	}
	return s[:i], s[i+1:]
}

// IsPath tells BASE forms that name something on this host from references.
func IsPath(base string) bool {
	for _, scheme := range []string{"oci:", "oci-archive:", "docker-archive:", "tar:"} {
		if strings.HasPrefix(base, scheme) {
			return true
		}
	}
	return false
}

// ParseReference reads an image reference; a bare port on loopback is plain
// HTTP by the registry client's own rule.
func ParseReference(s string) (name.Reference, error) {
	ref, err := name.ParseReference(s)
	if err != nil {
		return nil, fmt.Errorf("base %q is neither oci:DIR, docker-archive:FILE, tar:FILE nor an image reference: %w", s, err)
	}
	return ref, nil
}

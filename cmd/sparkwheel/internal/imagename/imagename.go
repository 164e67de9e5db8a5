// Package imagename reads the names by which users call images: the BASE of a
// build, the IMAGE of a command. Parse is the one reader of them; what it
// returns says by its Transport where the image is.
package imagename

import (
	"encoding"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
)

// Transport is where an image is, as skopeo and podman call it.
type Transport string

// The transports. All but Registry and the two reserved words are the prefix
// that a user types before a colon.
const (
	Registry          Transport = "registry"           // REF: the only one that downloads
	OCI               Transport = "oci"                // oci:DIR[:TAG]: an OCI image layout
	OCIArchive        Transport = "oci-archive"        // oci-archive:FILE[:TAG]: a tar of one
	DockerArchive     Transport = "docker-archive"     // docker-archive:FILE: what docker save writes
	Tar               Transport = "tar"                // tar:FILE: a root file system
	DockerDaemon      Transport = "docker-daemon"      // docker-daemon:REF: what this host's docker has
	ContainersStorage Transport = "containers-storage" // containers-storage:REF: what its podman has
	Containerd        Transport = "containerd"         // containerd:REF: what its containerd has
	Scratch           Transport = "scratch"            // no base at all
	Host              Transport = "host"               // this host's own system
)

// Forms lists what Parse takes, for a message or a help text.
const Forms = "a registry reference, oci:DIR[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE, tar:FILE, " +
	"docker-daemon:REF, containers-storage:REF, containerd:REF, scratch or host"

// Name is the name of an image. The zero Name names none. Names are equal by
// Equal; == tells apart two spellings of one path.
type Name struct {
	Transport Transport
	// Path is the DIR or FILE of a transport that has one, as it was typed.
	Path string
	// Tag is what chooses among the images of an OCI layout: a tag, or the digest
	// after an @; empty when none was typed.
	Tag string
	// Reference is what a registry or a daemon is asked for, as it was typed:
	// docker and podman have rules of their own for a short name.
	Reference string
}

var (
	_ encoding.TextMarshaler   = Name{}
	_ encoding.TextUnmarshaler = (*Name)(nil)
)

// SyntaxError says that a text names no image.
type SyntaxError struct {
	Text, Reason string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("%q is not the name of an image: %s", e.Text, e.Reason)
}

// tagRE is a tag as OCI's distribution and docker have it.
var tagRE = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$`)

// digestRE is the digest that may stand after an @ in place of a tag.
var digestRE = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// Parse reads a name in one of the Forms; anything else is a *SyntaxError. It
// looks at the text alone: nothing is opened and nobody asked.
func Parse(s string) (Name, error) {
	n, reason := parse(s)
	if reason != "" {
		return Name{}, &SyntaxError{s, reason}
	}
	return n, nil
}

func parse(s string) (n Name, reason string) {
	switch {
	case s == "":
		return n, "it is empty; use " + Forms
	case strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return n, "it has a control character"
	case s == string(Scratch), s == string(Host):
		return Name{Transport: Transport(s)}, ""
	}
	prefix, rest, _ := strings.Cut(s, ":")
	n.Transport = Transport(prefix)
	switch n.Transport {
	case OCI, OCIArchive:
		n.Path, n.Tag, reason = splitTag(rest)
	case DockerArchive, Tar:
		n.Path = rest
	case DockerDaemon, ContainersStorage, Containerd:
		n.Reference = rest
		return n, checkReference(rest)
	default:
		if strings.HasSuffix(s, ".whl") {
			return n, "it is a wheel's file name, not an image; use " + Forms
		}
		n.Transport, n.Reference = Registry, s
		return n, checkReference(s)
	}
	if reason == "" && n.Path == "" {
		reason = "a path is missing after " + prefix + ":"
	}
	return n, reason
}

// checkReference is why ref cannot be asked for, "" when it can.
func checkReference(ref string) string {
	switch {
	case ref == "":
		return "a reference is missing, such as ubuntu:24.04"
	case strings.HasPrefix(ref, "/"), strings.HasPrefix(ref, "./"), strings.HasPrefix(ref, "../"):
		return "a path needs a prefix that says what it is: oci:DIR, oci-archive:FILE, docker-archive:FILE or tar:FILE"
	case strings.HasPrefix(ref, "-"):
		return "it begins with a dash: programs would read it as an option"
	case strings.Contains(ref, "://"):
		return "a reference has no scheme; leave out " + ref[:strings.Index(ref, "://")+3]
	}
	if _, err := name.ParseReference(ref); err != nil {
		return fmt.Sprintf("%v; give %s", err, Forms)
	}
	return ""
}

// splitTag takes PATH[:TAG] or PATH@DIGEST apart. What stands after the last
// colon is a tag unless it holds a slash.
func splitTag(s string) (path, tag, reason string) {
	if at := strings.LastIndexByte(s, '@'); at >= 0 && strings.HasPrefix(s[at:], "@sha256:") {
		if !digestRE.MatchString(s[at+1:]) {
			return "", "", fmt.Sprintf("%q is not a digest: sha256: and 64 hexadecimal digits", s[at+1:])
		}
		return s[:at], s[at+1:], ""
	}
	i := strings.LastIndexByte(s, ':')
	if i < 0 || strings.Contains(s[i:], "/") {
		return s, "", ""
	}
	if !tagRE.MatchString(s[i+1:]) {
		return "", "", fmt.Sprintf("%q is not a tag", s[i+1:])
	}
	return s[:i], s[i+1:], ""
}

// String is the name as Parse takes it, and as it was typed.
func (n Name) String() string {
	switch n.Transport {
	case Registry:
		return n.Reference
	case Scratch, Host, "":
		return string(n.Transport)
	case OCI, OCIArchive:
		switch {
		case digestRE.MatchString(n.Tag):
			return string(n.Transport) + ":" + n.Path + "@" + n.Tag
		case n.Tag != "":
			return string(n.Transport) + ":" + n.Path + ":" + n.Tag
		}
	}
	return string(n.Transport) + ":" + n.Path + n.Reference
}

// IsZero is whether n names nothing.
func (n Name) IsZero() bool { return n == Name{} }

// Remote is whether the image must be downloaded.
func (n Name) Remote() bool { return n.Transport == Registry }

// InRuntime is whether a container runtime of this host has the image.
func (n Name) InRuntime() bool {
	return n.Transport == DockerDaemon || n.Transport == ContainersStorage || n.Transport == Containerd
}

// Parsed is the reference of a registry's or a runtime's image, with what it
// leaves out as docker has it; an error for names that have none.
func (n Name) Parsed() (name.Reference, error) {
	if n.Reference == "" {
		return nil, &SyntaxError{n.String(), "it has no reference"}
	}
	return name.ParseReference(n.Reference)
}

// Equal is whether both name one image: a path may be typed from the working
// directory or from the root.
func (n Name) Equal(o Name) bool {
	if n.Path != "" && o.Path != "" {
		a, errA := filepath.Abs(n.Path)
		b, errB := filepath.Abs(o.Path)
		if errA == nil && errB == nil {
			n.Path, o.Path = a, b
		}
	}
	return n == o
}

// MarshalText is String.
func (n Name) MarshalText() ([]byte, error) { return []byte(n.String()), nil }

// UnmarshalText is Parse; an empty text is the zero Name.
func (n *Name) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*n = Name{}
		return nil
	}
	parsed, err := Parse(string(text))
	if err == nil {
		*n = parsed
	}
	return err
}

package wheel

import (
	"fmt"
	"io"
	"strings"

	"github.com/sparkwheel/sparkwheel/requirements"
	"github.com/sparkwheel/sparkwheel/requirements/version"
)

// maxHeaders bounds METADATA without its body, and WHEEL.
const maxHeaders = 4 << 20

// Metadata is what METADATA says of the distribution (core metadata
// specification); its description is not kept.
type Metadata struct {
	Name           requirements.Name
	Version        version.Version
	RequiresPython version.Specifiers // empty admits every Python
	RequiresDist   []requirements.Requirement
	ProvidesExtra  []requirements.Name
	Summary        string
	// Text is each Requires-Dist as it was written, in the order of RequiresDist.
	Text []string
}

// ParseMetadata reads the headers of a METADATA file and stops at its body.
// It returns every mistake it finds, joined, beside what could be read.
func ParseMetadata(r io.Reader) (Metadata, []error) {
	fields, err := parseHeaders("METADATA", r, maxHeaders)
	if err != nil {
		return Metadata{}, []error{err}
	}
	var m Metadata
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if names := all(fields, "Name"); len(names) == 1 {
		m.Name = requirements.Normalize(names[0])
	} else {
		wrong("it has %d names, not one", len(names))
	}
	if versions := all(fields, "Version"); len(versions) != 1 {
		wrong("it has %d versions, not one", len(versions))
	} else if m.Version, err = version.Parse(versions[0]); err != nil {
		wrong("Version: %w", err)
	}
	if v, ok := first(fields, "Metadata-Version"); !ok || !strings.HasPrefix(v, "1.") && !strings.HasPrefix(v, "2.") {
		wrong("Metadata-Version %q is neither 1.x nor 2.x", v)
	}
	if v, ok := first(fields, "Requires-Python"); ok && v != "" {
		if m.RequiresPython, err = version.ParseSpecifiers(v); err != nil {
			wrong("Requires-Python: %w", err)
		}
	}
	for _, text := range all(fields, "Requires-Dist") {
		req, err := requirements.ParseRequirement(text)
		if err != nil {
			wrong("Requires-Dist: %w", err)
			continue
		}
		m.RequiresDist = append(m.RequiresDist, req)
		m.Text = append(m.Text, text)
	}
	for _, extra := range all(fields, "Provides-Extra") {
		m.ProvidesExtra = append(m.ProvidesExtra, requirements.Normalize(extra))
	}
	m.Summary, _ = first(fields, "Summary")
	return m, errs
}

// Info is what WHEEL says of the archive itself.
type Info struct {
	Purelib   bool // Root-Is-Purelib
	Tags      []Tag
	Build     string
	Generator string
}

// parseInfo reads a WHEEL file. Of repeated headers the first counts, as for
// pip and uv: some published wheels have several Wheel-Version.
func parseInfo(r io.Reader) (Info, []error) {
	fields, err := parseHeaders("WHEEL", r, maxHeaders)
	if err != nil {
		return Info{}, []error{err}
	}
	var i Info
	var errs []error
	v, _ := first(fields, "Wheel-Version")
	if major, _, ok := strings.Cut(v, "."); !ok || major != "1" && v != "0.1" {
		errs = append(errs, fmt.Errorf("Wheel-Version %q is not 1.x, the only one that installers support", v))
	}
	pure, _ := first(fields, "Root-Is-Purelib")
	i.Purelib = pure == "true"
	i.Build, _ = first(fields, "Build")
	i.Generator, _ = first(fields, "Generator")
	for _, text := range all(fields, "Tag") {
		tags, err := ParseTags(text)
		if err != nil {
			errs = append(errs, err)
		}
		i.Tags = append(i.Tags, tags...)
	}
	return i, errs
}

package waste

import (
	"path"
	"slices"
	"strings"
)

// Kind is why bytes are waste.
type Kind string

// The kinds. But for Hidden and Duplicate they go by path: such files are
// needed to build software or to read about it, seldom to run it.
const (
	Hidden        Kind = "hidden" // replaced or removed by a layer above
	Duplicate     Kind = "duplicates"
	StaticArchive Kind = "static-archives"
	Header        Kind = "headers"
	Test          Kind = "tests"
	Cache         Kind = "caches"
	Documentation Kind = "documentation"
)

func (k Kind) remedy() string {
	switch k {
	case Hidden:
		return "a layer cannot free the bytes of a layer below it: use a base without these files"
	case Duplicate:
		return "two distributions have the same files: leave one of them out"
	case StaticArchive:
		return "only a linker reads them: use a base for running (CUDA's -runtime- images have none), not for building"
	case Header:
		return "only compilers read them, including those that run in the image (FlashInfer, torch.compile, Triton): a base for running has none"
	case Test:
		return "they are not imported: only the distributions' authors can leave them out"
	case Cache:
		return "remove them in the step that makes them: in a later layer they are only hidden"
	case Documentation:
		return "Debian packages leave it out with path-exclude in /etc/dpkg/dpkg.cfg.d"
	}
	return ""
}

// kindOf is the kind that a visible file has by its path, "" for none.
func kindOf(name string) Kind {
	switch path.Ext(name) {
	case ".a":
		return StaticArchive
	case ".h", ".hh", ".hpp", ".hxx", ".cuh", ".inl":
		return Header
	}
	for _, c := range []struct {
		kind Kind
		dirs []string
	}{
		{Cache, []string{"var/cache/", "var/lib/apt/lists/", "root/.cache/", "tmp/", "var/tmp/"}},
		{Documentation, []string{"usr/share/doc/", "usr/share/man/", "usr/share/info/", "usr/share/locale/"}},
	} {
		if slices.ContainsFunc(c.dirs, func(d string) bool { return strings.HasPrefix(name, d) }) {
			return c.kind
		}
	}
	for _, packages := range []string{"/site-packages/", "/dist-packages/"} {
		if _, below, ok := strings.Cut("/"+name, packages); ok {
			dirs := strings.Split(path.Dir(below), "/")
			if slices.Contains(dirs, "tests") || slices.Contains(dirs, "test") {
				return Test
			}
		}
	}
	return ""
}

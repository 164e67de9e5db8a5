package recipe

import (
	"cmp"
	"fmt"
	"maps"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
)

// File is one plain file behind a URL.
type File struct {
	Name   string // what the lock, wheels and --upgrade call it
	URL    string
	SHA256 string // lower-case hex; "" pins what the first lock sees
	Image  string // absolute path in the image, "" for none
	// Executable gives it the mode 0755 in the image instead of 0644.
	Executable bool
}

// LockedFile is a plain file: where it is found and what it is.
type LockedFile struct {
	Name   string `toml:"name"`
	URL    string `toml:"url"`
	SHA256 string `toml:"sha256"`
	Size   int64  `toml:"size"`
}

type fileShape struct {
	Name       string `toml:"name"`
	URL        string `toml:"url"`
	SHA256     string `toml:"sha256"`
	Image      string `toml:"image"`
	Executable bool   `toml:"executable"`
}

var sha256RE = regexp.MustCompile(`^[0-9a-f]{64}$`)

func (r *Recipe) checkFiles() []error {
	var faults []error
	bad := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	var images []string
	for _, f := range r.Files {
		where := fmt.Sprintf("file %q", f.Name)
		if !nameRE.MatchString(f.Name) {
			bad("%s: a file's name consists of lower-case letters, digits and dashes", where)
		}
		if err := checkURL(f.URL); err != nil {
			bad("%s: %w", where, err)
		}
		if f.SHA256 != "" && !sha256RE.MatchString(f.SHA256) {
			bad("%s: sha256 %q is not 64 lower-case hex digits", where, f.SHA256)
		}
		if f.Image == "" && !r.isInput(f.Name) {
			bad("%s is not used: give it image = \"/path\", or add it to the inputs of a wheel or build", where)
		}
		if f.Image != "" {
			images = checkImagePath(images, f.Image, func(format string, args ...any) { bad("%s: image "+format, append([]any{where}, args...)...) })
		}
	}
	for _, b := range r.Builds {
		for _, to := range slices.Sorted(maps.Keys(b.Files)) {
			images = checkImagePath(images, to, func(format string, args ...any) { bad("build %q: files: "+format, append([]any{b.Name}, args...)...) })
		}
	}
	return faults
}

// isInput says whether a wheel or a build has the name among its inputs.
func (r *Recipe) isInput(name string) bool {
	return slices.ContainsFunc(r.Wheels, func(w Wheel) bool { return w.Inputs[name] != "" }) ||
		slices.ContainsFunc(r.Builds, func(b Build) bool { return b.Inputs[name] != "" })
}

// checkImagePath looks at the path of a file in the image beside those that the
// image has already, and returns these with it.
func checkImagePath(images []string, file string, bad func(format string, args ...any)) []string {
	if !path.IsAbs(file) || path.Clean(file) != file || file == "/" || strings.ContainsAny(file, "\\\x00\n") {
		bad("%q is not the absolute path of a file", file)
	}
	if ownPath(file) {
		bad("%q is the path of the image's own record", file)
	}
	for _, other := range images {
		if file == other || strings.HasPrefix(file, other+"/") || strings.HasPrefix(other, file+"/") {
			bad("%q is in the way of %q", file, other)
		}
	}
	return append(images, file)
}

// ownPath is whether sparkwheel itself writes there in every image.
func ownPath(p string) bool {
	for _, own := range []string{"/workspace/build.json", "/workspace/constraints.txt", "/workspace/wheels"} {
		if p == own || strings.HasPrefix(p, own+"/") || strings.HasPrefix(own, p+"/") {
			return true
		}
	}
	return false
}

// checkInputs holds what wheels take in against what the recipe brings.
func (r *Recipe) checkInputs() []error {
	var faults []error
	known := map[string]bool{}
	for _, name := range r.inputNames() {
		if known[name] {
			faults = append(faults, fmt.Errorf("%q occurs twice among the recipe's files, manifests and trees of builds", name))
		}
		known[name] = true
	}
	for _, w := range r.Wheels {
		faults = append(faults, r.checkInputsOf(fmt.Sprintf("wheel %q", w.Name), w.Inputs)...)
	}
	for _, b := range r.Builds {
		faults = append(faults, r.checkInputsOf(fmt.Sprintf("build %q", b.Name), b.Inputs)...)
	}
	return faults
}

// checkInputsOf looks at the inputs of one wheel or build.
func (r *Recipe) checkInputsOf(whose string, inputs map[string]string) []error {
	var faults []error
	known, taken := r.inputNames(), map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(inputs)) {
		where, at := fmt.Sprintf("%s: inputs: %s", whose, name), inputs[name]
		if !slices.Contains(known, name) {
			faults = append(faults, fmt.Errorf("%s: nothing in the recipe has that name; choose from %s", where, cmp.Or(strings.Join(known, ", "), "none")))
		}
		if !localPath(strings.TrimPrefix(at, "/")) {
			faults = append(faults, fmt.Errorf("%s: %q is neither an absolute path nor one in the source's tree", where, at))
		}
		if other := taken[at]; other != "" {
			faults = append(faults, fmt.Errorf("%s: %q is the place of %s", where, at, other))
		}
		taken[at] = name
	}
	return faults
}

// inputNames are the names of all that a wheel's inputs can name.
func (r *Recipe) inputNames() []string {
	var names []string
	for _, f := range r.Files {
		names = append(names, f.Name)
	}
	for _, m := range r.Manifests {
		names = append(names, m.Name)
	}
	for _, b := range r.Builds {
		if b.Tree != "" {
			names = append(names, b.Name)
		}
	}
	return names
}

// checkURL refuses what cannot be fetched, and what must not stand in a recipe.
func checkURL(s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return fmt.Errorf("url %q is neither http:// nor https://", s)
	case u.User != nil:
		return fmt.Errorf("url at %s has credentials, which do not belong in a recipe: put them into ~/.netrc", u.Host)
	}
	return nil
}

// File returns the locked file of that name.
func (l *Lock) File(name string) (*LockedFile, bool) {
	i := slices.IndexFunc(l.Files, func(f LockedFile) bool { return f.Name == name })
	if i < 0 {
		return nil, false
	}
	return &l.Files[i], true
}

package recipe

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/renameio/v2"
	"github.com/pelletier/go-toml/v2"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/imagename"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/regular"
	"github.com/sparkwheel/sparkwheel/layer"
)

// LockVersion is the version of the lock's form; another one is refused.
const LockVersion = 1

// Lock pins what every name in a recipe meant when it was made. A build reads
// the recipe for what to do and the lock for what to do it with.
type Lock struct {
	Version      int    `toml:"lock-version"`
	Recipe       string `toml:"recipe"`
	RecipeDigest string `toml:"recipe-digest" comment:"of what the recipe says, comments and layout aside: another one's lock is refused"`
	// RecipeFile is where the recipe stands, from the lock's directory: bundles have
	// both. "" says nothing.
	RecipeFile string           `toml:"recipe-file,omitempty"`
	Platform   string           `toml:"platform"`
	Python     string           `toml:"python"`
	Driver     string           `toml:"driver,omitempty" comment:"CUDA version of the target's driver"`
	Base       LockedBase       `toml:"base"`
	UV         []LockedUV       `toml:"uv" comment:"uv resolves and builds; one wheel for each platform that can build"`
	Packages   *LockedPackages  `toml:"packages,omitempty" comment:"what apt adds to the base"`
	Sources    []LockedSource   `toml:"source"`
	Wheels     []LockedWheel    `toml:"wheel"`
	Runtime    *LockedSet       `toml:"runtime,omitempty"`
	Files      []LockedFile     `toml:"file,omitempty" comment:"plain files by URL"`
	Indexes    []LockedIndex    `toml:"index,omitempty" comment:"further Python indexes, and what came from them"`
	Manifests  []LockedManifest `toml:"manifest,omitempty" comment:"trees of files that checksum lists name"`
}

// LockedBase is a base image: where it was found and what it was.
type LockedBase struct {
	Reference   imagename.Name `toml:"reference"`
	Index       string         `toml:"index,omitempty" comment:"digest of the index that lists the platforms"`
	Digest      string         `toml:"digest" comment:"of the platform's manifest"`
	Interpreter string         `toml:"interpreter" comment:"the base's Python; empty when it has none"`
	Instead     string         `toml:"instead-of,omitempty" comment:"what the recipe names; --base asked for another"`
}

// LockedUV is the wheel of uv for one platform.
type LockedUV struct {
	Version  string `toml:"version"`
	Platform string `toml:"platform"`
	File     string `toml:"file"`
	URL      string `toml:"url"`
	SHA256   string `toml:"sha256"`
	Size     int64  `toml:"size"`
}

// LockedSource is a repository at a commit.
type LockedSource struct {
	Name       string            `toml:"name"`
	URL        string            `toml:"url"`
	Ref        string            `toml:"ref"`
	Instead    string            `toml:"instead-of,omitempty" comment:"what the recipe asks; --ref asked for another"`
	Commit     string            `toml:"commit"`
	Dirty      bool              `toml:"dirty,omitempty" comment:"the commit holds uncommitted changes and exists in the store alone: no other host can build it"`
	Head       string            `toml:"head,omitempty" comment:"the commit that they are on"`
	Time       time.Time         `toml:"time" comment:"of the commit; becomes SOURCE_DATE_EPOCH"`
	Tree       string            `toml:"tree"`
	Version    string            `toml:"version" comment:"what the build is told"`
	Clean      string            `toml:"clean-version,omitempty" comment:"the version without the recipe's changes"`
	Described  string            `toml:"described,omitempty" comment:"what the version was computed from: tag, commits after it, commit"`
	Pulls      []LockedPull      `toml:"pull,omitempty" comment:"pull requests that are merged into it"`
	Submodules []LockedSubmodule `toml:"submodule,omitempty"`
}

// LockedPull is a pull request: its head, and the commit from which it and the
// source's commit part.
type LockedPull struct {
	Number int    `toml:"number" json:"number"`
	Head   string `toml:"head" json:"head"`
	Base   string `toml:"merge-base" json:"merge_base"`
}

// Unpatched is the source's version without the recipe's changes, with which the
// versions that patches are for are compared.
func (s LockedSource) Unpatched() string { return cmp.Or(s.Clean, s.Version) }

// LockedSubmodule is a submodule at its gitlink.
type LockedSubmodule struct {
	Path   string `toml:"path"`
	URL    string `toml:"url"`
	Commit string `toml:"commit"`
	Ref    string `toml:"ref,omitempty" comment:"of the recipe, which takes it from elsewhere than the tree says"`
}

// LockedWheel is the build environment of one wheel.
type LockedWheel struct {
	Name string `toml:"name"`
	LockedSet
	FetchContent []LockedContent `toml:"fetchcontent,omitempty" comment:"what its CMake files fetch"`
}

// LockedSet is a Python environment: a pylock.toml (PEP 751) beside the lock.
type LockedSet struct {
	Pylock string `toml:"pylock" comment:"beside this file"`
	SHA256 string `toml:"pylock-sha256"`
	// Text is the pylock's own text: read and saved with the lock.
	Text []byte `toml:"-"`
}

// ErrNoLock is what LoadLock's error is when there is no file at the path.
var ErrNoLock = errors.New("no lock")

// errUnreadable is the error of a file that is no lock, or no longer one.
var errUnreadable = errors.New("the lock cannot be read")

// MismatchError says that a lock does not cover what was asked. Type is the
// command that would make one that does. Edited is the lock where only the recipe
// has changed since, so that it can be made to fit; nil where it is another
// recipe's, damaged, or of another version.
type MismatchError struct {
	Path, Reason, Type string
	Edited             *Lock
}

func (e *MismatchError) Error() string {
	return fmt.Sprintf("%s: %s; run `%s`", e.Path, e.Reason, e.Type)
}

// LoadLock reads the lock at path for recipe r, with the pylocks beside it.
// ErrNoLock when there is none; *MismatchError when it was made from another
// recipe or a pylock beside it is not the one it pins.
func LoadLock(path string, r *Recipe) (*Lock, error) {
	again := r.lockCommand(path)
	l, err := readLock(path, false)
	switch {
	case errors.Is(err, errUnreadable):
		return nil, &MismatchError{Path: path, Reason: err.Error(), Type: again}
	case errors.Is(err, ErrNoLock):
		return nil, fmt.Errorf("%w at %s%s; run `%s`", ErrNoLock, path, r.otherLock(path), again)
	case err != nil:
		return nil, err
	case l.Version != LockVersion:
		return nil, &MismatchError{Path: path, Reason: fmt.Sprintf("lock version %d, but this sparkwheel reads %d", l.Version, LockVersion), Type: again}
	case l.Recipe != r.Name && !r.Made(l.RecipeDigest):
		return nil, &MismatchError{Path: path, Reason: fmt.Sprintf("made from recipe %s, not from %s", l.Recipe, r.Name), Type: again}
	}
	for _, b := range l.beside() {
		if err := b.load(filepath.Dir(path)); err != nil {
			return nil, &MismatchError{Path: path, Reason: err.Error(), Type: again}
		}
	}
	if !r.Made(l.RecipeDigest) {
		reason := fmt.Sprintf("recipe %s has changed since it was locked", r.Name)
		return nil, &MismatchError{Path: path, Reason: reason, Type: again + l.Overrides(r).flags(), Edited: l}
	}
	return l, nil
}

// ReadLock reads an earlier lock as a source of pins to keep, whatever recipe
// it was made from. What of it is damaged, unknown or of another version is left
// out. ErrNoLock when there is none.
func ReadLock(path string) (*Lock, error) {
	l, err := readLock(path, true)
	if errors.Is(err, errUnreadable) {
		return nil, &MismatchError{Path: path, Reason: err.Error() + "; restore it, or delete it to lose its pins", Type: "sparkwheel lock"}
	}
	if errors.Is(err, ErrNoLock) {
		return nil, fmt.Errorf("%w at %s", ErrNoLock, path)
	}
	if err != nil {
		return nil, err
	}
	if l.Version != LockVersion {
		return &Lock{}, nil
	}
	for _, b := range l.beside() {
		if b.load(filepath.Dir(path)) != nil {
			*b.text = nil
		}
	}
	return l, nil
}

// readLock reads a lock; lenient passes over keys that it does not know.
func readLock(path string, lenient bool) (*Lock, error) {
	text, err := regular.Read(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNoLock
	}
	if err != nil {
		return nil, fmt.Errorf("reading lock: %w", err)
	}
	var l Lock
	if lenient {
		err = toml.Unmarshal(text, &l)
	} else {
		err = decode(path, text, &l)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUnreadable, err)
	}
	return &l, nil
}

func (r *Recipe) lockCommand(path string) string {
	name := r.Path
	if name == "" {
		name = r.Name
	}
	return fmt.Sprintf("sparkwheel lock -r %s --lock %s", name, path)
}

// beside is a file beside the lock that the lock pins.
type beside struct {
	file, sha256 string
	text         *[]byte
}

func (l *Lock) beside() []beside {
	var all []beside
	for _, s := range l.Sets() {
		all = append(all, beside{s.Pylock, s.SHA256, &s.Text})
	}
	for i := range l.Manifests {
		m := &l.Manifests[i]
		all = append(all, beside{m.Files, m.SHA256, &m.Text})
	}
	return all
}

// Beside lists the files beside the lock that it pins and is read with.
func (l *Lock) Beside() []string {
	var names []string
	for _, b := range l.beside() {
		names = append(names, b.file)
	}
	return names
}

func (b beside) load(dir string) error {
	if !filepath.IsLocal(b.file) || filepath.Base(b.file) != b.file {
		return fmt.Errorf("%q is not a file in the lock's directory", b.file)
	}
	text, err := regular.Read(filepath.Join(dir, b.file))
	if err != nil {
		return fmt.Errorf("reading the files beside it: %w", err)
	}
	if got := digest(text); got != b.sha256 {
		return fmt.Errorf("%s was changed by hand: it is %s, but the lock pins %s", b.file, got, b.sha256)
	}
	*b.text = text
	return nil
}

// NewSet makes the pin of a pylock's text under the name pylock.NAME.toml.
func NewSet(name string, text []byte) LockedSet {
	return LockedSet{Pylock: "pylock." + name + ".toml", SHA256: digest(text), Text: text}
}

// Sets lists every Python environment of the lock.
func (l *Lock) Sets() []*LockedSet {
	var sets []*LockedSet
	for i := range l.Wheels {
		sets = append(sets, &l.Wheels[i].LockedSet)
	}
	if l.Runtime != nil {
		sets = append(sets, l.Runtime)
	}
	return sets
}

// Source returns the locked source of that name.
func (l *Lock) Source(name string) (*LockedSource, bool) {
	i := slices.IndexFunc(l.Sources, func(s LockedSource) bool { return s.Name == name })
	if i < 0 {
		return nil, false
	}
	return &l.Sources[i], true
}

// Wheel returns the locked build environment of the wheel of that name.
func (l *Lock) Wheel(name string) (*LockedWheel, bool) {
	i := slices.IndexFunc(l.Wheels, func(w LockedWheel) bool { return w.Name == name })
	if i < 0 {
		return nil, false
	}
	return &l.Wheels[i], true
}

// Set returns the environment of a wheel, or of "runtime"; nil when the lock
// has none of that name.
func (l *Lock) Set(name string) *LockedSet {
	if name == "runtime" {
		return l.Runtime
	}
	if w, ok := l.Wheel(name); ok {
		return &w.LockedSet
	}
	return nil
}

// Save writes the lock and its pylocks beside it, under names that carry the
// lock's unless that is sparkwheel.lock; each atomically, the lock last: a reader finds either the old lock or the new one whole.
func (l *Lock) Save(path string) error {
	slices.SortFunc(l.Sources, func(a, b LockedSource) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(l.Wheels, func(a, b LockedWheel) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(l.Indexes, func(a, b LockedIndex) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(l.Manifests, func(a, b LockedManifest) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(l.Files, func(a, b LockedFile) int { return cmp.Compare(a.Name, b.Name) })
	l.nameBeside(path)
	var text bytes.Buffer
	text.WriteString("# Made by `sparkwheel lock`: every input of the recipe, pinned. Commit it; edit the recipe, not this.\n")
	if err := toml.NewEncoder(&text).Encode(l); err != nil {
		return fmt.Errorf("encoding lock: %w", err)
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("saving lock: %w", err)
	}
	for _, b := range l.beside() {
		if err := writeFile(filepath.Join(dir, b.file), *b.text); err != nil {
			return fmt.Errorf("saving lock: %w", err)
		}
	}
	if err := writeFile(path, text.Bytes()); err != nil {
		return fmt.Errorf("saving lock: %w", err)
	}
	return nil
}

// nameBeside gives the files beside a lock its name, so that two locks may stand
// in one directory: pylock.NAME.toml is that of sparkwheel.lock, and
// pylock.LOCK_NAME.toml that of LOCK.lock. No NAME has an underscore.
func (l *Lock) nameBeside(path string) {
	prefix := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path)) + "_"
	if prefix == "sparkwheel_" {
		prefix = ""
	}
	for i := range l.Wheels {
		l.Wheels[i].Pylock = "pylock." + prefix + l.Wheels[i].Name + ".toml"
	}
	if l.Runtime != nil {
		l.Runtime.Pylock = "pylock." + prefix + "runtime.toml"
	}
	for i := range l.Manifests {
		l.Manifests[i].Files = "manifest." + prefix + l.Manifests[i].Name + ".sha256"
	}
}

// writeFile puts data at path in one step: readers find the old file or the
// new one, and a failure leaves the old one. A link is written through.
func writeFile(path string, data []byte) error {
	path, err := layer.OutputFile(path)
	if err != nil {
		return err
	}
	return renameio.WriteFile(path, data, 0o644, renameio.WithTempDir(filepath.Dir(path)), renameio.IgnoreUmask())
}

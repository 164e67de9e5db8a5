package git

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/google/renameio/v2"

	"github.com/sparkwheel/sparkwheel/git/pack"
)

// repository is a bare repository that git itself can read. Every commit that
// is there whole (in a history: with all its ancestors) has a packed ref under
// refs/whole, written last, so a process that dies leaves only an unused pack.
type repository struct {
	dir string

	mu    sync.Mutex
	packs *pack.Store // nil until something is read
}

const repositoryConfig = "[core]\n\trepositoryformatversion = 0\n\tbare = true\n"

// openRepository makes what is missing of the repository's skeleton.
func openRepository(dir string) (*repository, error) {
	for _, sub := range []string{"objects/pack", "objects/info", "refs/heads"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o777); err != nil {
			return nil, err
		}
	}
	for name, text := range map[string]string{"config": repositoryConfig, "HEAD": "ref: refs/heads/none\n"} {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
			if err := writeFile(path, []byte(text)); err != nil {
				return nil, err
			}
		}
	}
	return &repository{dir: dir}, nil
}

// writeFile replaces path in one step: a reader, or a process that comes after
// a power cut, finds the old file or the new one whole.
func writeFile(path string, data []byte) error {
	return renameio.WriteFile(path, data, 0o644, renameio.WithTempDir(filepath.Dir(path)), renameio.IgnoreUmask())
}

const wholePrefix = " refs/whole/"

// wholes lists the commits (and tags) that are there with all that belongs to
// them: in a mirror their trees, in a history their ancestors.
func (r *repository) wholes() (map[plumbing.Hash]bool, error) {
	text, err := os.ReadFile(filepath.Join(r.dir, "packed-refs"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	set := make(map[plumbing.Hash]bool)
	for line := range strings.Lines(string(text)) {
		if name, _, ok := strings.Cut(line, wholePrefix); ok && isSHA(name) {
			set[plumbing.NewHash(name)] = true
		}
	}
	return set, nil
}

// whole reports whether h is one of wholes, and still there.
func (r *repository) whole(h plumbing.Hash) (bool, error) {
	set, err := r.wholes()
	if err != nil || !set[h] {
		return false, err
	}
	return r.has(h)
}

// markWhole adds to wholes. The caller holds the repository's lock.
func (r *repository) markWhole(hashes ...plumbing.Hash) error {
	set, err := r.wholes()
	if err != nil {
		return err
	}
	for _, h := range hashes {
		set[h] = true
	}
	return r.setWholes(set)
}

func (r *repository) setWholes(set map[plumbing.Hash]bool) error {
	lines := make([]string, 0, len(set))
	for h := range set {
		lines = append(lines, h.String()+wholePrefix+h.String()+"\n")
	}
	slices.Sort(lines)
	return writeFile(filepath.Join(r.dir, "packed-refs"),
		[]byte("# pack-refs with: sorted \n"+strings.Join(lines, "")))
}

// addShallow records that the parents of the commits were left out.
func (r *repository) addShallow(hashes ...plumbing.Hash) error {
	path := filepath.Join(r.dir, "shallow")
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	text := string(old)
	for _, h := range hashes {
		if line := h.String() + "\n"; !strings.Contains(text, line) {
			text += line
		}
	}
	return writeFile(path, []byte(text))
}

func (r *repository) shallows() ([]plumbing.Hash, error) {
	old, err := os.ReadFile(filepath.Join(r.dir, "shallow"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	var hashes []plumbing.Hash
	for line := range strings.FieldsSeq(string(old)) {
		if isSHA(line) {
			hashes = append(hashes, plumbing.NewHash(line))
		}
	}
	return hashes, nil
}

package environments

import (
	"bytes"
	"context"
	"fmt"
	"regexp"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/base"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/wheel/index"
)

// Pins chooses one wheel of each distribution in a pylock for the base's
// interpreter.
func Pins(b *base.Base, set recipe.LockedSet) ([]index.Pin, error) {
	lock, err := index.ParsePylock(set.Pylock, set.Text)
	if err != nil {
		return nil, err
	}
	pins, err := lock.Select(b.Python.Tags(), b.Python.Environment())
	if err != nil {
		return nil, err
	}
	lines := sumLines(set.Text)
	for i := range pins {
		if n := lines[pins[i].SHA256]; n > 0 {
			pins[i].Origin = fmt.Sprintf("%s:%d", set.Pylock, n)
		}
	}
	return pins, nil
}

var sumRE = regexp.MustCompile(`sha256 = "([0-9a-f]{64})"`)

// sumLines are the lines of a pylock by the sha256 that stands in them.
func sumLines(text []byte) map[string]int {
	lines, n := map[string]int{}, 0
	for line := range bytes.Lines(text) {
		n++
		for _, m := range sumRE.FindAllSubmatch(line, -1) {
			lines[string(m[1])] = n
		}
	}
	return lines
}

// Hash adds the sha256 of each file of a pylock's text that the base needs and
// that the index gave without: it is downloaded, which is said, and held against
// the hashes that the index did give.
func Hash(ctx context.Context, env host.Env, b *base.Base, name string, text []byte, run *stage.Run) ([]byte, error) {
	lock, err := index.ParsePylock("pylock."+name+".toml", text)
	if err != nil {
		return nil, err
	}
	for _, f := range lock.Unhashed(b.Python.Tags(), b.Python.Environment()) {
		pin, err := env.Index.Discover(ctx, f.Pin(""), env.Blobs(), run.Progress)
		if err != nil {
			return nil, err
		}
		if err := f.CheckOther(pin.Path(env.Blobs())); err != nil {
			return nil, err
		}
		if text, err = index.AddSHA256(text, f.URL, pin.SHA256); err != nil {
			return nil, fmt.Errorf("locking %s: %w", f.Name, err)
		}
		run.Note("%s: its index has no sha256; it was downloaded and locked as %s", f.Name, pin.SHA256)
	}
	return text, nil
}

package environments

import (
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/base"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/wheel/index"
)

// Pins chooses one wheel of each distribution in a pylock for the base's
// interpreter.
func Pins(b *base.Base, set recipe.LockedSet) ([]index.Pin, error) {
	lock, err := index.ParsePylock(set.Pylock, set.Text)
	if err != nil {
		return nil, err
	}
	return lock.Select(b.Python.Tags(), b.Python.Environment())
}

package pipeline

import (
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
)

// entries is how a stage says what the store keeps of it: a *stage.WaitingError
// when that is not known before another one has run.
type entries func() ([]host.Entry, error)

// one is the entries of a stage that has one.
func one(entry func() (host.Entry, error)) entries {
	return func() ([]host.Entry, error) {
		e, err := entry()
		return []host.Entry{e}, err
	}
}

// ahead is what a stage says before it runs. value may be nil.
func ahead[T any](env host.Env, kept entries, value func() (T, error)) stage.Ahead[T] {
	look := func() ([]stage.Look, error) {
		all, err := kept()
		if err != nil {
			return nil, err
		}
		var looks []stage.Look
		for _, entry := range all {
			looks = append(looks, env.Look(entry))
		}
		return looks, nil
	}
	return stage.Ahead[T]{Look: look, Value: value}
}

// Missing are the looks that a build would have to do something about.
func Missing(looks []stage.Look) []stage.Look {
	var out []stage.Look
	for _, l := range looks {
		if !l.Hit {
			out = append(out, l)
		}
	}
	return out
}

package host

import (
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
	"github.com/sparkwheel/sparkwheel/wheel/builder"
	"github.com/sparkwheel/sparkwheel/wheel/index"
)

// Entry names something that the store keeps of a stage's work, before it is
// made: an entry under a key, or files alone.
type Entry struct {
	Name string // for people
	Kind string // of the store's entries; "" when it is Pins alone
	Key  store.Key
	Sum  string      // names Pins where there is no key
	Pins []index.Pin // files that are downloaded to make it
	// Waits says why the key is not known yet, "" when it is.
	Waits string
}

// Look says what the store has of the entry. It changes nothing and asks nobody.
func (e Env) Look(entry Entry) stage.Look {
	look := stage.Look{Name: entry.Name, Reason: entry.Waits}
	switch {
	case entry.Waits != "":
	case entry.Kind == "":
		look.Key = entry.Sum
		missing, bytes := e.missing(entry.Pins)
		if look.Hit = len(missing) == 0; !look.Hit {
			look.Reason, look.BytesToFetch = "not cached: "+Some(missing), bytes
		}
	default:
		x := e.Store.Explain(entry.Kind, entry.Key)
		look.Key, look.Hit, look.Reason, look.LastSeconds = entry.Key.String(), x.Hit, x.Reason, x.Seconds
		if x.Nearest != "" {
			// A list that cannot be read tells nothing, and takes nothing else away.
			look.Objects, look.CUDAObjects, _ = builder.CountObjects(e.Store.Path(entry.Kind, x.Nearest, "files"))
		}
		if !x.Hit {
			_, look.BytesToFetch = e.missing(entry.Pins)
		}
	}
	return look
}

// Kept is the directory of an entry that the store has, "" when it is missing.
func (e Env) Kept(entry Entry) string {
	if entry.Waits != "" || !e.Store.Explain(entry.Kind, entry.Key).Hit {
		return ""
	}
	return e.Place(entry)
}

// Place is where an entry's files are, or will be, in the store.
func (e Env) Place(entry Entry) string { return e.Store.Path(entry.Kind, entry.Key.String(), "files") }

// missing are the files that are not in the store, and what is known of their size.
func (e Env) missing(pins []index.Pin) (names []string, bytes int64) {
	for _, pin := range pins {
		if !pin.Present(e.Blobs()) {
			names, bytes = append(names, pin.File), bytes+pin.Size
		}
	}
	return names, bytes
}

package base

import (
	"fmt"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
)

// Entries are what the store keeps of the base with a digest: the image, and
// its unpacked root.
func Entries(digest string) ([]host.Entry, error) {
	root, err := RootEntry("base unpacked", digest)
	if err != nil {
		return nil, err
	}
	return []host.Entry{{Name: "base", Kind: store.Stage, Key: Key(digest)}, root}, nil
}

// RootEntry is the unpacked root of a base, or of one with packages, by its
// digest. name is for people.
func RootEntry(name, digest string) (host.Entry, error) {
	key, err := store.DigestKey(digest)
	if err != nil {
		return host.Entry{}, fmt.Errorf("the lock's base: %w", err)
	}
	return host.Entry{Name: name, Kind: store.Rootfs, Key: key}, nil
}

// AnswerEntry is what the interpreter of the base with a digest says of itself.
func AnswerEntry(digest string) host.Entry {
	return host.Entry{Name: "interpreter", Kind: store.Stage, Key: AnswerKey(digest)}
}

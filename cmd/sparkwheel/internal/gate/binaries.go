package gate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
	"github.com/sparkwheel/sparkwheel/wheel/inspect"
)

// Rules is raised when the reader learns to see more: what older ones read is
// read again.
const Rules = "1"

const file = "binaries.json"

// kept is what the store keeps of a wheel's binaries.
type kept struct {
	Files   []*inspect.File `json:"files"`
	Damaged []damaged       `json:"damaged"`
}

type damaged struct{ Path, Message string }

// Binaries are those of a wheel or package named by its digest, as read reads
// them. The store keeps what was read: of forty wheels one of which changed, that
// one is inflated.
func Binaries(ctx context.Context, env host.Env, name, sha256 string, read func() (inspect.Found, error)) (found inspect.Found, err error) {
	key := store.NewHash("binaries "+name).Field("rules", Rules).Field("sha256", sha256).Key()
	dir, _, err := env.Store.Do(ctx, store.Stage, key, func(dir string) error {
		found, err := read()
		if err != nil {
			return err
		}
		k := kept{Files: found.Files}
		for _, d := range found.Damaged {
			k.Damaged = append(k.Damaged, damaged{d.Path, d.Err.Error()})
		}
		return os.WriteFile(filepath.Join(dir, file), []byte(host.JSON(k)), 0o644)
	})
	if err != nil {
		return found, err
	}
	text, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		return found, err
	}
	var k kept
	if err := json.Unmarshal(text, &k); err != nil {
		return found, fmt.Errorf("reading what is in the binaries of %s: %w", name, err)
	}
	found.Files = k.Files
	for _, d := range k.Damaged {
		found.Damaged = append(found.Damaged, &inspect.FileError{Path: d.Path, Err: errors.New(d.Message)})
	}
	return found, nil
}

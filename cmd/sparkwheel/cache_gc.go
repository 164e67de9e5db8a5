package main

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
	"github.com/spf13/cobra"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/packages"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/regular"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
	"github.com/sparkwheel/sparkwheel/git"
)

type cleanFlags struct {
	keep      []string
	unusedFor string
	dry       bool
}

func (a *app) cacheCleanCommand() *cobra.Command {
	var f cleanFlags
	cmd := &cobra.Command{
		Use:   "gc",
		Short: "Remove what is no longer needed from the store",
		Long: `Gc removes what is damaged, what killed runs left behind and

  - with --keep LOCK (repeatable): everything that none of these locks needs;
  - without: bases and stage outputs that were not used for 30 days. Downloads
    are kept.

It refuses to run while another run has the store open.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withStore(func(s store.Store) error { return a.cacheClean(cmd.Context(), s, f) })
		},
	}
	cmd.Flags().StringArrayVar(&f.keep, "keep", nil, "keep what `LOCK` needs, and nothing else (repeatable)")
	cmd.Flags().StringVar(&f.unusedFor, "unused-for", "", "remove only what was not used for `DURATION`, such as 12h or 30d (default 30d without --keep)")
	cmd.Flags().BoolVarP(&f.dry, "dry-run", "n", false, "list what would be removed, and remove nothing")
	return cmd
}

// cleanDocument is the --json document of cache gc.
type cleanDocument struct {
	Removed []store.Entry `json:"removed"`
	Bytes   int64         `json:"bytes"`
	DryRun  bool          `json:"dry_run"`
}

func (a *app) cacheClean(ctx context.Context, s store.Store, f cleanFlags) error {
	keep, err := keepOf(s, f)
	if err != nil {
		return err
	}
	removed, err := s.Clean(ctx, keep, f.dry)
	doc := cleanDocument{Removed: removed, DryRun: f.dry}
	if doc.Removed == nil {
		doc.Removed = []store.Entry{}
	}
	for _, e := range removed {
		doc.Bytes += e.Bytes
		if f.dry || a.verbose {
			fmt.Fprintln(a.Stderr, store.Size(e.Bytes), e.ID, e.Name)
		}
	}
	if err != nil {
		return err
	}
	verb := "removed"
	if f.dry {
		verb = "would remove"
	}
	return a.result(doc, fmt.Sprintf("%s %s, %s", verb, host.Count(len(removed), "entry"), store.Size(doc.Bytes)))
}

// keepOf reads the flags and the locks that they name.
func keepOf(s store.Store, f cleanFlags) (store.Keep, error) {
	var keep store.Keep
	unusedFor := f.unusedFor
	if unusedFor == "" && len(f.keep) == 0 {
		unusedFor = "30d"
	}
	if unusedFor != "" {
		age, err := parseAge(unusedFor)
		if err != nil {
			return keep, err
		}
		keep.UsedSince = time.Now().Add(-age)
	}
	if len(f.keep) == 0 {
		return keep, nil
	}
	var texts [][]byte
	var mirrors []string
	for _, path := range f.keep {
		t, urls, err := readNeeds(path)
		if err != nil {
			return keep, err
		}
		texts = append(texts, t...)
		for _, url := range urls {
			mirrors = append(mirrors, git.MirrorNames(url)...)
		}
	}
	keep.Needed = s.Needed(texts...)
	for _, name := range mirrors {
		keep.Needed["git/"+name] = true
	}
	return keep, nil
}

// readNeeds reads a lock without its recipe: the texts that name what it needs
// (its own and its pylocks') and the URLs of its repositories. What cannot be
// read is an error: cleaning by half a lock would remove what is needed.
func readNeeds(path string) (texts [][]byte, urls []string, err error) {
	text, err := regular.Read(path)
	if err != nil {
		return nil, nil, usageErrorf("reading the lock to keep: %w", err)
	}
	var l recipe.Lock
	if err := toml.Unmarshal(text, &l); err != nil {
		return nil, nil, usageErrorf("reading the lock to keep: %s: %w", path, err)
	}
	if l.Version != recipe.LockVersion {
		return nil, nil, usageErrorf("reading the lock to keep: %s has lock version %d, this sparkwheel reads %d", path, l.Version, recipe.LockVersion)
	}
	texts = append(texts, text, []byte(strings.Join(packages.Digests(&l), "\n")))
	for _, name := range l.Beside() {
		text, err := regular.Read(filepath.Join(filepath.Dir(path), name))
		if err != nil {
			return nil, nil, usageErrorf("reading the lock to keep: %w", err)
		}
		texts = append(texts, text)
	}
	return texts, l.RepositoryURLs(), nil
}

func sortLargest(entries []store.Entry) {
	slices.SortStableFunc(entries, func(x, y store.Entry) int { return cmp.Compare(y.Bytes, x.Bytes) })
}

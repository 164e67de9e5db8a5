package git

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// What a history's commits were described as is kept beside them, a line each:
//
//	HASH DISTANCE TAG
//
// or HASH alone where no tag was found. Only a server knows of tags that came
// since, so this answers when no server may be asked.
const describedFile = "described"

// recall finds what a commit was described as when a server was last asked.
func (r *repository) recall(hash string) (d Description, ok bool, err error) {
	lines, err := r.described()
	if err != nil {
		return d, false, err
	}
	line, ok := lines[hash]
	if !ok {
		return d, false, nil
	}
	distance, tag, tagged := strings.Cut(line, " ")
	if !tagged {
		return d, true, ErrNoTag
	}
	n, err := strconv.Atoi(distance)
	if err != nil {
		return d, false, fmt.Errorf("reading %s: %w", filepath.Join(r.dir, describedFile), err)
	}
	return Description{Tag: tag, Distance: n, Hash: hash}, true, nil
}

// remember keeps what a commit is described as; the zero Description is that
// of a commit without a tag.
func (r *repository) remember(ctx context.Context, hash string, d Description) error {
	line := ""
	if d.Tag != "" {
		line = fmt.Sprintf("%d %s", d.Distance, d.Tag)
	}
	lines, err := r.described()
	if err != nil {
		return err
	}
	if old, ok := lines[hash]; ok && old == line {
		return nil
	}
	unlock, err := lockFile(ctx, r.dir+".lock")
	if err != nil {
		return err
	}
	return errors.Join(r.addDescribed(hash, line), unlock())
}

func (r *repository) addDescribed(hash, line string) error {
	lines, err := r.described()
	if err != nil {
		return err
	}
	lines[hash] = line
	var text strings.Builder
	for _, h := range slices.Sorted(maps.Keys(lines)) {
		text.WriteString(strings.TrimSpace(h+" "+lines[h]) + "\n")
	}
	return writeFile(filepath.Join(r.dir, describedFile), []byte(text.String()))
}

func (r *repository) described() (map[string]string, error) {
	text, err := os.ReadFile(filepath.Join(r.dir, describedFile))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	lines := make(map[string]string)
	for line := range strings.Lines(string(text)) {
		hash, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		if isSHA(hash) {
			lines[hash] = rest
		}
	}
	return lines, nil
}

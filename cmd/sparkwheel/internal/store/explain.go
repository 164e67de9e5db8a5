package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Explanation is what Do would find for a key, and why.
type Explanation struct {
	Hit     bool
	Reason  string   // in words; "" for a hit
	Changes []Change // the inputs that differ from the nearest entry of the same salt
	Seconds float64  // how long making the entry took, or the nearest one; 0 when none is known
	Size    int64    // bytes of that entry
	Nearest string   // its key; "" when no entry is known
}

// Change is one input that differs. Old or New is "" when there was, or is, none.
type Change struct {
	Field, Old, New string
}

// String is the change in one line: digests shortened, and of long values the
// part that differs.
func (c Change) String() string {
	was, is := c.Old, c.New
	switch {
	case was == "":
		return fmt.Sprintf("%s is new: %s", c.Field, short(is))
	case is == "":
		return fmt.Sprintf("%s was removed: %s", c.Field, short(was))
	case len(was) > maxShown || len(is) > maxShown:
		was, is = apart(was, is)
	}
	return fmt.Sprintf("%s was %s, is %s", c.Field, short(was), short(is))
}

// Explain says whether Do would find the entry, and if not, which inputs differ
// from the entry of the same salt that is most like it (the newest, where
// several are). It changes nothing.
func (s Store) Explain(kind string, key Key) Explanation {
	rec, _, err := s.check(context.Background(), kind, key, false)
	switch {
	case err == nil:
		return Explanation{Hit: true, Seconds: rec.Seconds, Size: rec.Size, Nearest: rec.Key}
	case !errors.Is(err, fs.ErrNotExist):
		x := Explanation{Reason: "the entry is damaged: " + err.Error()}
		if rec != nil {
			x.Seconds, x.Size = rec.Seconds, rec.Size
		}
		return x
	}
	near := s.nearest(kind, key)
	if near == nil {
		return Explanation{Reason: "never made in this store"}
	}
	x := Explanation{Changes: differ(near.Fields, key.fields), Seconds: near.Seconds, Size: near.Size, Nearest: near.Key}
	words := make([]string, len(x.Changes))
	for i, c := range x.Changes {
		words[i] = c.String()
	}
	x.Reason = strings.Join(words, "; ")
	if x.Reason == "" {
		x.Reason = "the inputs are in another order"
	}
	return x
}

// nearest is the record of key's salt with the fewest different fields, nil
// when there is none.
func (s Store) nearest(kind string, key Key) *record {
	if key.salt == "" {
		return nil
	}
	var best *record
	for _, rec := range s.records(kind) {
		if rec.Salt != key.salt {
			continue
		}
		if best == nil || compareDistance(rec, best, key.fields) < 0 {
			best = rec
		}
	}
	return best
}

func compareDistance(a, b *record, fields []Field) int {
	if d := len(differ(a.Fields, fields)) - len(differ(b.Fields, fields)); d != 0 {
		return d
	}
	return b.Made.Compare(a.Made)
}

// records are the readable records of a kind, in the order of their keys.
func (s Store) records(kind string) []*record {
	paths, _ := filepath.Glob(filepath.Join(globQuote(s.Path(kind)), "*", "entry.json"))
	var recs []*record
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		if rec, err := parseRecord(text); err == nil {
			recs = append(recs, rec)
		}
	}
	return recs
}

func globQuote(s string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(s)
}

// differ lists what was among old and what is among now, field by field in the
// order of now. A name may stand several times; equal values cancel out.
func differ(old, now []Field) []Change {
	var changes []Change
	for _, name := range fieldNames(append(slices.Clone(now), old...)) {
		was, is := values(old, name), values(now, name)
		gone, added := without(was, is), without(is, was)
		for i := range max(len(gone), len(added)) {
			c := Change{Field: name}
			if i < len(gone) {
				c.Old = gone[i]
			}
			if i < len(added) {
				c.New = added[i]
			}
			changes = append(changes, c)
		}
	}
	return changes
}

func fieldNames(fields []Field) []string {
	var names []string
	for _, f := range fields {
		if !slices.Contains(names, f.Name) {
			names = append(names, f.Name)
		}
	}
	return names
}

func values(fields []Field, name string) []string {
	var out []string
	for _, f := range fields {
		if f.Name == name {
			out = append(out, f.Value)
		}
	}
	return out
}

// without is a less what stands in b, each as often as it stands there.
func without(a, b []string) []string {
	count := map[string]int{}
	for _, v := range b {
		count[v]++
	}
	var out []string
	for _, v := range a {
		if count[v]--; count[v] < 0 {
			out = append(out, v)
		}
	}
	return out
}

// maxShown is how many bytes of a value a line shows.
const maxShown = 72

// short is a value for a line of text.
func short(s string) string {
	s = names.ReplaceAllStringFunc(strings.Join(strings.Fields(s), " "), func(name string) string { return name[:12] })
	if len(s) > maxShown {
		s = strings.ToValidUTF8(s[:maxShown-3], "") + "..."
	}
	if s == "" {
		return `""`
	}
	return s
}

// apart cuts what two values have in common at their ends, but for a few words
// around what differs.
func apart(a, b string) (string, string) {
	const around = 16
	n := min(len(a), len(b))
	start, end := 0, 0
	for start < n && a[start] == b[start] {
		start++
	}
	for end < n-start && a[len(a)-1-end] == b[len(b)-1-end] {
		end++
	}
	start, end = max(0, start-around), max(0, end-around)
	cut := func(s string) string {
		part := s[start : len(s)-end]
		if start > 0 {
			part = "..." + part
		}
		if end > 0 {
			part += "..."
		}
		return strings.ToValidUTF8(part, "")
	}
	return cut(a), cut(b)
}

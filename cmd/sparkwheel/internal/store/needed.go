package store

import (
	"path/filepath"
	"regexp"
)

// names are what entries and locks call things by: commits and digests.
var names = regexp.MustCompile(`\b(?:[0-9a-f]{64}|[0-9a-f]{40})\b`)

// Needed gives the IDs of all that texts need: locks and what stands beside
// them. Blobs, bases and tools are needed when a text names them. The output of
// a stage is needed unless one of its inputs is a commit, or another thing of
// this store, that is not needed itself: so the outputs of other locks go and
// those of these locks stay, without asking what their recipes say. What Input
// names must be needed even where it is not in the store: the layers of wheels
// that only a push had. Mirrors are
// known by their URLs, which the caller adds.
func (s Store) Needed(texts ...[]byte) map[string]bool {
	named := map[string]bool{}
	for _, text := range texts {
		for _, name := range names.FindAll(text, -1) {
			named[string(name)] = true
		}
	}
	needed := map[string]bool{}
	for _, kind := range []string{"blobs", Rootfs} {
		for _, name := range s.names(kind) {
			if named[filepath.Base(name)] {
				needed[kind+"/"+name] = true
			}
		}
	}
	for _, rec := range s.records(Tools) {
		if anyOf(rec.inputs(), named) {
			needed[Tools+"/"+rec.Key] = true
		}
	}
	for _, key := range s.neededStages(named) {
		needed[Stage+"/"+key] = true
	}
	// A root that packages were installed into has the name of the stage that
	// installed them.
	for _, name := range s.names(Rootfs) {
		if needed[Stage+"/"+filepath.Base(name)] {
			needed[Rootfs+"/"+name] = true
		}
	}
	return needed
}

// neededStages begins with all stages and takes away those with an input that
// is known and not needed, until nothing changes.
func (s Store) neededStages(named map[string]bool) []string {
	stages := s.records(Stage)
	known := s.known(stages)
	for {
		good := map[string]bool{}
		for name := range named {
			good[name] = true
		}
		for _, rec := range stages {
			for _, name := range rec.outputs() {
				good[name] = true
			}
		}
		var left []*record
		for _, rec := range stages {
			if !anyOther(rec.inputs(), known, good) && rec.madeOf(good) {
				left = append(left, rec)
			}
		}
		if len(left) == len(stages) {
			break
		}
		stages = left
	}
	var keys []string
	for _, rec := range stages {
		keys = append(keys, rec.Key)
	}
	return keys
}

// known are the names of all that the store holds.
func (s Store) known(stages []*record) map[string]bool {
	known := map[string]bool{}
	for _, kind := range []string{"blobs", Rootfs, Tools} {
		for _, name := range s.names(kind) {
			known[filepath.Base(name)] = true
		}
	}
	for _, rec := range stages {
		for _, name := range rec.outputs() {
			known[name] = true
		}
	}
	return known
}

// inputs are the commits and digests among a record's fields.
func (rec *record) inputs() []string {
	var found []string
	for _, f := range rec.Fields {
		found = append(found, names.FindAllString(f.Value, -1)...)
	}
	return found
}

// madeOf is whether all that the record's entry is made of is good.
func (rec *record) madeOf(good map[string]bool) bool {
	for _, f := range rec.Fields {
		if f.Input && !anyOf(names.FindAllString(f.Value, -1), good) {
			return false
		}
	}
	return true
}

// outputs are the names by which other entries may take this one as input.
func (rec *record) outputs() []string {
	out := []string{rec.Key}
	for _, f := range rec.Files {
		if f.SHA256 != "" {
			out = append(out, f.SHA256)
		}
	}
	return out
}

func anyOf(list []string, set map[string]bool) bool {
	for _, name := range list {
		if set[name] {
			return true
		}
	}
	return false
}

// anyOther is whether the list has a commit, or a known name, that is not good.
func anyOther(list []string, known, good map[string]bool) bool {
	for _, name := range list {
		if !good[name] && (known[name] || len(name) == 40) {
			return true
		}
	}
	return false
}

package recipe

import (
	"encoding"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/sparkwheel/sparkwheel/requirements"
)

// merged is what the parts of a recipe say together: each lies over the next.
func merged(parts []*part) (*shape, error) {
	s := &parts[len(parts)-1].shape
	if len(parts) == 1 && len(s.Without) > 0 {
		return nil, fmt.Errorf("%s: without applies to a recipe that this one extends, but it extends none", parts[0].label())
	}
	for i := len(parts) - 2; i >= 0; i-- {
		p := parts[i]
		before := s.used()
		if err := s.leaveOut(p.shape.Without); err != nil {
			return nil, fmt.Errorf("%s: %w", p.label(), err)
		}
		over(reflect.ValueOf(s).Elem(), reflect.ValueOf(&p.shape).Elem(), p.given)
		s.Lines = added(s.Lines, p.shape.Lines)
		s.prune(before)
	}
	return s, nil
}

// over lays a child's struct over its parent's: what the child's text has wins.
// Tables merge key by key and lists of tables by the key name. Of other lists
// the field's tag says whether entries are added, or appended as they are;
// without one the list is replaced whole.
func over(parent, child reflect.Value, given map[string]any) {
	if parent.Type() == reflect.TypeFor[wheelShape]() {
		parent.Addr().Interface().(*wheelShape).overFetchContent(child.Addr().Interface().(*wheelShape), given)
	}
	t := parent.Type()
	for i := range t.NumField() {
		field := t.Field(i)
		if field.Anonymous {
			over(parent.Field(i), child.Field(i), given)
			continue
		}
		key := field.Tag.Get("toml")
		if key == "" || key == "-" || key == "fetchcontent" {
			continue
		}
		value, ok := lookUp(given, key)
		// The names in patches are tables of patch by now.
		if _, patches := lookUp(given, "patches"); ok || key == "patch" && patches {
			overValue(parent.Field(i), child.Field(i), value, field.Tag.Get("merge"))
		}
	}
}

// lookUp finds a key as the decoder does: in any case of its letters.
func lookUp(given map[string]any, key string) (any, bool) {
	if v, ok := given[key]; ok {
		return v, true
	}
	for k, v := range given {
		if strings.EqualFold(k, key) {
			return v, true
		}
	}
	return nil, false
}

func overValue(parent, child reflect.Value, given any, rule string) {
	table, _ := given.(map[string]any)
	text := parent.Addr().Type().Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
	switch kind := parent.Kind(); {
	case kind == reflect.Struct && !text:
		over(parent, child, table)
	case kind == reflect.Pointer && parent.Type().Elem().Kind() == reflect.Struct && !parent.IsNil():
		over(parent.Elem(), child.Elem(), table)
	case kind == reflect.Map && !parent.IsNil():
		overMap(parent, child, table)
	case kind == reflect.Slice && parent.Type().Elem().Kind() == reflect.Struct:
		list, _ := given.([]any)
		overTables(parent, child, list)
	case kind == reflect.Slice && rule == "append":
		parent.Set(reflect.AppendSlice(parent, child))
	case kind == reflect.Slice && rule == "add":
		parent.Set(reflect.ValueOf(added(parent.Interface().([]string), child.Interface().([]string))))
	default:
		parent.Set(child)
	}
}

func overMap(parent, child reflect.Value, given map[string]any) {
	for _, key := range child.MapKeys() {
		value := reflect.New(parent.Type().Elem()).Elem()
		value.Set(child.MapIndex(key))
		if old := parent.MapIndex(key); old.IsValid() && value.Kind() == reflect.Struct {
			mine := reflect.New(value.Type()).Elem()
			mine.Set(old)
			table, _ := lookUp(given, key.String())
			keys, _ := table.(map[string]any)
			over(mine, value, keys)
			value = mine
		}
		parent.SetMapIndex(key, value)
	}
}

// overTables lays tables over those of the same name; others are added.
func overTables(parent, child reflect.Value, given []any) {
	_, named := parent.Type().Elem().FieldByName("Name")
	for i := range child.Len() {
		at := -1
		for j := 0; named && j < parent.Len(); j++ {
			if parent.Index(j).FieldByName("Name").String() == child.Index(i).FieldByName("Name").String() {
				at = j
			}
		}
		if at < 0 || i >= len(given) {
			parent.Set(reflect.Append(parent, child.Index(i)))
			continue
		}
		keys, _ := given[i].(map[string]any)
		over(parent.Index(at), child.Index(i), keys)
	}
}

// overFetchContent lays the key fetchcontent over another: false switches it
// off, true on, and a table goes over a table.
func (x *wheelShape) overFetchContent(child *wheelShape, given map[string]any) {
	value, ok := lookUp(given, "fetchcontent")
	if !ok {
		return
	}
	x.FetchContent = child.FetchContent
	if keys, ok := value.(map[string]any); ok {
		over(reflect.ValueOf(&x.FetchTable).Elem(), reflect.ValueOf(&child.FetchTable).Elem(), keys)
	}
}

// added are the entries of both lists. An entry about something that the first
// one has an entry about takes its place: torch==2.12.0 that of torch>=2.11.
func added(parent, child []string) []string {
	out := slices.Clone(parent)
	for _, entry := range child {
		at := slices.IndexFunc(out, func(x string) bool { return about(x) == about(entry) })
		if at >= 0 {
			out[at] = entry
		} else {
			out = append(out, entry)
		}
	}
	return out
}

// about is what an entry of a list names: a distribution or package without its
// version, or the entry itself.
func about(entry string) string {
	name := entry
	if i := strings.IndexAny(entry, "=<>!~;[ @("); i > 0 {
		name = entry[:i]
	}
	if distributionRE.MatchString(name) {
		return string(requirements.Normalize(name))
	}
	if packageRE.MatchString(name) {
		return name
	}
	return entry
}

var distributionRE = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$`)

// leaveOut removes what without names: wheels, builds, other tables that have a
// name, and patches by their file or URL.
func (s *shape) leaveOut(names []string) error {
	known := s.names()
	for _, name := range names {
		if !slices.Contains(known, name) {
			return fmt.Errorf("without: the extended recipe has no %q; it has %s", name, strings.Join(known, ", "))
		}
	}
	out := func(name string) bool { return slices.Contains(names, name) }
	patch := func(p patchShape) bool { return out(p.written) }
	s.Wheel = slices.DeleteFunc(s.Wheel, func(w wheelShape) bool { return out(w.Name) })
	s.Build = slices.DeleteFunc(s.Build, func(b buildShape) bool { return out(b.Name) })
	s.File = slices.DeleteFunc(s.File, func(f fileShape) bool { return out(f.Name) })
	s.Manifest = slices.DeleteFunc(s.Manifest, func(m manifestShape) bool { return out(m.Name) })
	s.Index = slices.DeleteFunc(s.Index, func(x indexShape) bool { return out(x.Name) })
	for i := range s.SameVersion {
		s.SameVersion[i] = slices.DeleteFunc(s.SameVersion[i], out)
	}
	s.SameVersion = slices.DeleteFunc(s.SameVersion, func(group []string) bool { return len(group) < 2 })
	for i := range s.Source {
		s.Source[i].Patch = slices.DeleteFunc(s.Source[i].Patch, patch)
	}
	for i := range s.Wheel {
		for name, r := range s.Wheel[i].FetchTable.Repository {
			r.Patch = slices.DeleteFunc(r.Patch, patch)
			s.Wheel[i].FetchTable.Repository[name] = r
		}
	}
	return nil
}

// names are what leaveOut can remove.
func (s *shape) names() (names []string) {
	for _, w := range s.Wheel {
		names = append(names, w.Name)
	}
	for _, b := range s.Build {
		names = append(names, b.Name)
	}
	for _, f := range s.File {
		names = append(names, f.Name)
	}
	for _, m := range s.Manifest {
		names = append(names, m.Name)
	}
	for _, x := range s.Index {
		names = append(names, x.Name)
	}
	for _, x := range s.Source {
		names = append(names, written(x.Patch)...)
	}
	for _, w := range s.Wheel {
		for _, name := range slices.Sorted(maps.Keys(w.FetchTable.Repository)) {
			names = append(names, written(w.FetchTable.Repository[name].Patch)...)
		}
	}
	return names
}

func written(patches []patchShape) (names []string) {
	for _, p := range patches {
		names = append(names, p.written)
	}
	return names
}

// usage is which sources and which inputs a recipe's tables name.
type usage struct{ sources, inputs map[string]bool }

func (s *shape) used() usage {
	u := usage{map[string]bool{}, map[string]bool{}}
	take := func(source string, inputs map[string]string) {
		u.sources[source] = true
		for name := range inputs {
			u.inputs[name] = true
		}
	}
	for _, w := range s.Wheel {
		take(w.Source, w.Inputs)
	}
	for _, b := range s.Build {
		take(b.Source, b.Inputs)
	}
	for _, m := range s.Manifest {
		u.sources[m.Source] = true
	}
	for name := range s.Runtime.Files {
		u.sources[name] = true
	}
	return u
}

// prune removes what was used before something was left out, and no longer is:
// inputs that go nowhere else, and sources.
func (s *shape) prune(before usage) {
	now := s.used()
	idle := func(name string) bool { return before.inputs[name] && !now.inputs[name] }
	s.File = slices.DeleteFunc(s.File, func(f fileShape) bool { return f.Image == "" && idle(f.Name) })
	s.Manifest = slices.DeleteFunc(s.Manifest, func(m manifestShape) bool { return idle(m.Name) })
	now = s.used()
	s.Source = slices.DeleteFunc(s.Source, func(x sourceShape) bool { return before.sources[x.Name] && !now.sources[x.Name] })
}

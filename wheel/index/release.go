package index

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sparkwheel/sparkwheel/requirements"
	"github.com/sparkwheel/sparkwheel/requirements/version"
	"github.com/sparkwheel/sparkwheel/wheel"
)

// NoVersionError says that an index lists no file of that version; Have are
// the newest that it lists, newest first.
type NoVersionError struct {
	Name, Version string
	Have          []string
}

func (e *NoVersionError) Error() string {
	if len(e.Have) == 0 {
		return fmt.Sprintf("the index has no file of %s %s, nor of any other version", e.Name, e.Version)
	}
	return fmt.Sprintf("the index has no file of %s %s; the newest there: %s; a mirror may lag behind upstream",
		e.Name, e.Version, strings.Join(e.Have, ", "))
}

// NoFileError says that there are files of that version, and none of them
// fits; Have lists them.
type NoFileError struct {
	Name, Version, Want string
	Have                []string
}

func (e *NoFileError) Error() string {
	return fmt.Sprintf("%s %s has no %s; available:\n    %s", e.Name, e.Version, e.Want, strings.Join(shorten(e.Have), "\n    "))
}

// Wheel picks, of the files that Client.Files returned for name, the wheel of
// one version whose tag stands first in tags. A yanked one is taken, as PEP
// 592 has it for exact pins: look at File.Yanked and say so. The errors are
// *NoVersionError and *NoFileError.
func Wheel(name, version string, files []File, tags []wheel.Tag) (File, error) {
	of, err := release(name, version, files)
	if err != nil {
		return File{}, err
	}
	if f, ok := rank(tags).best(of); ok {
		return f, nil
	}
	want := "wheel"
	if len(tags) > 0 {
		want += " for " + tags[0].String()
	}
	return File{}, &NoFileError{Name: name, Version: version, Want: want, Have: names(of)}
}

// Sdist picks the source distribution of one version, .tar.gz before any
// other kind.
func Sdist(name, version string, files []File) (File, error) {
	of, err := release(name, version, files)
	if err != nil {
		return File{}, err
	}
	for _, suffix := range []string{".tar.gz", ".zip"} {
		for _, f := range of {
			if strings.HasSuffix(f.Name, suffix) {
				return f, nil
			}
		}
	}
	return File{}, &NoFileError{Name: name, Version: version, Want: "source distribution", Have: names(of)}
}

// release keeps the files of one version.
func release(name, want string, files []File) ([]File, error) {
	v, err := version.Parse(want)
	if err != nil {
		return nil, fmt.Errorf("looking for %s: %w", name, err)
	}
	var of []File
	for _, f := range files {
		if got, ok := fileVersion(name, f.Name); ok && got.Compare(v) == 0 {
			of = append(of, f)
		}
	}
	if len(of) > 0 {
		return of, nil
	}
	return nil, &NoVersionError{Name: name, Version: want, Have: newest(name, files)}
}

// newest lists up to eight versions, pre-releases and yanked ones left out.
func newest(name string, files []File) []string {
	var all []version.Version
	for _, f := range files {
		if v, ok := fileVersion(name, f.Name); ok && !f.Yanked && !v.IsPrerelease() {
			all = append(all, v)
		}
	}
	slices.SortFunc(all, func(a, b version.Version) int { return b.Compare(a) })
	var have []string
	for _, v := range all {
		if s := v.String(); len(have) < 8 && !slices.Contains(have, s) {
			have = append(have, s)
		}
	}
	return have
}

// fileVersion reads the version that a wheel's or sdist's name carries. An old
// sdist's name may hold dashes on both sides, so its distribution is known
// beforehand.
func fileVersion(name, file string) (version.Version, bool) {
	text := ""
	if stem, ok := strings.CutSuffix(file, ".whl"); ok {
		parts := strings.Split(stem, "-")
		if len(parts) < 5 {
			return version.Version{}, false
		}
		text = parts[1]
	} else {
		stem, ok := cutSdistSuffix(file)
		want := requirements.Normalize(name)
		for i := 0; ok && i < len(stem); i++ {
			if stem[i] == '-' && requirements.Normalize(stem[:i]) == want {
				text = stem[i+1:]
			}
		}
	}
	v, err := version.Parse(text)
	return v, err == nil
}

func cutSdistSuffix(file string) (string, bool) {
	for _, suffix := range []string{".tar.gz", ".zip", ".tar.bz2"} {
		if stem, ok := strings.CutSuffix(file, suffix); ok {
			return stem, true
		}
	}
	return "", false
}

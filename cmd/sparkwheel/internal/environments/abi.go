package environments

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sparkwheel/sparkwheel/requirements"
	"github.com/sparkwheel/sparkwheel/wheel"
	"github.com/sparkwheel/sparkwheel/wheel/index"
)

// Different is a distribution that a build environment has at another version
// than the runtime.
type Different struct {
	Name           requirements.Name
	Build, Runtime string // versions
}

// ABIError says that a wheel would be compiled against other versions than those
// that it will run with.
type ABIError struct {
	Wheel     string
	Different []Different
	// Err is why no other set was found; nil where none was looked for.
	Err error
}

func (e *ABIError) Unwrap() error { return e.Err }

func (e *ABIError) Error() string {
	var parts []string
	for _, d := range e.Different {
		parts = append(parts, fmt.Sprintf("%s %s, and the image has %s", d.Name, d.Build, d.Runtime))
	}
	text := fmt.Sprintf("wheel %s would be built with %s; give both one version in [constraints]", e.Wheel, strings.Join(parts, "; with "))
	if e.Err != nil {
		text += fmt.Sprintf("\nno build environment with the image's was found: %v", e.Err)
	}
	return text
}

// Compare gives those of the named distributions that both sets have, at two
// versions.
func Compare(names []requirements.Name, build, runtime []index.Pin) (all []Different, err error) {
	for _, name := range names {
		mine, err := versionIn(build, name)
		if err != nil {
			return nil, err
		}
		theirs, err := versionIn(runtime, name)
		if err != nil {
			return nil, err
		}
		if mine != "" && theirs != "" && mine != theirs {
			all = append(all, Different{name, mine, theirs})
		}
	}
	return all, nil
}

// versionIn is the version of a distribution among pins, "" for none.
func versionIn(pins []index.Pin, name requirements.Name) (string, error) {
	i := slices.IndexFunc(pins, func(p index.Pin) bool { return requirements.Normalize(p.Name) == name })
	if i < 0 {
		return "", nil
	}
	file, err := wheel.ParseFilename(pins[i].File)
	if err != nil {
		return "", err
	}
	return file.Version.String(), nil
}

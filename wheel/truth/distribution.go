package truth

import "github.com/sparkwheel/sparkwheel/wheel"

// Of is what a METADATA file that was read says of its distribution. origin
// says where it was found, for people.
func Of(m wheel.Metadata, origin string) Distribution {
	return Distribution{
		Name: m.Name, Version: m.Version, Requires: m.RequiresDist, RequiresPython: m.RequiresPython,
		Extras: m.ProvidesExtra, Origin: origin,
	}
}

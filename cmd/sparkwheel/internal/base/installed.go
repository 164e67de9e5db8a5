package base

import (
	"github.com/sparkwheel/sparkwheel/wheel/installed"
	"github.com/sparkwheel/sparkwheel/wheel/truth"
)

// Installed is the metadata of what the base brings along, in the order in
// which its Python looks, except of those that hidden names. It takes ReadFiles.
// What has no readable metadata is passed over: it cannot be judged, and the
// base is as it is.
func (b *Base) Installed(hidden func(path string) bool) ([]truth.Distribution, error) {
	all, err := installed.Read(b.Files, b.SearchPath())
	if err != nil {
		return nil, err
	}
	var set []truth.Distribution
	for _, d := range all {
		if d.Metadata != nil && !hidden(d.Info) {
			set = append(set, truth.Of(*d.Metadata, "of the base"))
		}
	}
	return set, nil
}

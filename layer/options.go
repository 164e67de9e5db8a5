package layer

import (
	"fmt"
	"io/fs"
	"runtime"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/types"
)

// The compressions that Options knows.
const (
	Gzip           = "gzip"            // deflated files are spliced in as they are, the rest is compressed
	GzipRecompress = "gzip-recompress" // everything is compressed again at Options.Level
	Zstd           = "zstd"            // frames compressed side by side; some older tools refuse them
	None           = "none"            // the tar itself
)

// Epoch is the time of every tar entry unless Options say otherwise, and of an
// image without a Created: the first moment a zip, and so a wheel, can express.
var Epoch = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

// Options say how a tree becomes a layer. Two writes of the same tree with the
// same Options give the same bytes, whatever Jobs is.
type Options struct {
	// Compression is Gzip (also when empty), GzipRecompress, Zstd or None.
	Compression string
	// Level is the compression level of GzipRecompress (1 to 9, default 6) and
	// Zstd (1 to 19, default 3); the two others take none.
	Level int
	// Jobs bounds the files compressed or inflated at once (default: all cores).
	Jobs int
	// MTime is the modification time of every entry, to the second (default Epoch).
	MTime time.Time
	// Comment stands in the image's history and in the layer descriptor's
	// annotation: for a layer of wheels, or of Debian packages, their file names,
	// separated by spaces.
	Comment string
	// Links are directories that the base holds as symbolic links, slash paths
	// without a leading slash ("bin" -> "usr/bin"): what the tree has under the
	// key is written under the value, so that no entry replaces the link.
	Links map[string]string
	// Dirs are directories of the base: an entry for one carries these
	// attributes rather than the tree's, so that the layer does not change them.
	Dirs map[string]Dir
	// Progress, when set, hears of tar bytes done out of all there will be; it
	// is called from one goroutine at a time.
	Progress func(done, total int64)
}

// Dir is what a base's directory looks like: Mode holds permission bits and
// setgid, setuid and sticky as tar writes them (01777).
type Dir struct {
	Mode     int64
	UID, GID int
}

func (o Options) withDefaults() (Options, error) {
	most := 0
	switch o.Compression {
	case "":
		o.Compression = Gzip
	case Gzip, None:
	case GzipRecompress:
		most = 9
	case Zstd:
		most = 19
	default:
		return o, fmt.Errorf("compression %q is not one of gzip, gzip-recompress, zstd, none", o.Compression)
	}
	if o.Level < 0 || o.Level > most {
		return o, fmt.Errorf("compression %s does not support level %d", o.Compression, o.Level)
	}
	if o.Level == 0 {
		o.Level = map[string]int{Gzip: packLevel, GzipRecompress: 6, Zstd: 3}[o.Compression]
	}
	if o.Jobs < 1 {
		o.Jobs = runtime.GOMAXPROCS(0)
	}
	if o.MTime.IsZero() {
		o.MTime = Epoch
	}
	o.MTime = o.MTime.UTC().Truncate(time.Second)
	for link, target := range o.Links {
		if !fs.ValidPath(link) || !fs.ValidPath(target) || link == "." || target == "." {
			return o, fmt.Errorf("link %q to %q is not a pair of paths below the image's root, without a leading slash", link, target)
		}
	}
	return o, nil
}

func mediaType(compression string) types.MediaType {
	switch compression {
	case Zstd:
		return types.OCILayerZStd
	case None:
		return types.OCIUncompressedLayer
	default:
		return types.OCILayer
	}
}

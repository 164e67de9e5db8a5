package inspect_test

import (
	"fmt"
	"strings"

	"github.com/sparkwheel/sparkwheel/wheel/inspect/cuda"
)

// entries writes a container's entries in a line.
func entries(c cuda.Container) string {
	var list []string
	for _, e := range c.Entries {
		s := fmt.Sprintf("%s %v %d", e.Name(), e.Compression, e.Kernels)
		if e.Kind == cuda.PTX {
			s += " " + e.PTX.String()
		}
		if e.Debug {
			s += " -G"
		}
		list = append(list, s)
	}
	return strings.Join(list, ", ")
}

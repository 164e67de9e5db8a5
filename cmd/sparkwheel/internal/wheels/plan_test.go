package wheels

import (
	"strings"
	"testing"
	"time"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/base"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/environments"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/sources"
)

// What a key covers is what a wheel depends on, and nothing of this host.
func TestWheelKey(t *testing.T) {
	t.Parallel()
	plan := func() Plan {
		return Plan{
			Recipe: recipe.Wheel{Name: "a", Environment: map[string]string{"V": "{version}"}},
			Source: recipe.Source{Files: map[string]string{"f": "{commit}"}},
			Locked: recipe.LockedSource{Version: "1", Commit: strings.Repeat("c", 40)},
			Tree:   &sources.Tree{Dir: "/one", Key: "k"}, Base: &base.Base{Digest: "sha256:b", Root: "/one"}, UV: environments.Tool{Path: "/one", SHA256: "u"},
		}
	}
	first := plan().Key()
	same := plan()
	same.Tree.Dir, same.Base.Root, same.UV.Path = "/two", "/two", "/two"
	if same.Key().String() != first.String() {
		t.Error("where the inputs lie changed the key")
	}
	for name, change := range map[string]func(*Plan){
		"version": func(b *Plan) { b.Locked.Version = "2" },
		"commit":  func(b *Plan) { b.Locked.Commit = strings.Repeat("d", 40) },
		"time":    func(b *Plan) { b.Locked.Time = time.Unix(1, 0) },
		"tree":    func(b *Plan) { b.Tree.Key = "l" },
		"base":    func(b *Plan) { b.Base.BuildDigest = "sha256:c" },
		"uv":      func(b *Plan) { b.UV.SHA256 = "v" },
		"input":   func(b *Plan) { b.Inputs = []sources.Input{{Name: "f", Digest: "1"}} },
		"sandbox": func(b *Plan) { b.Isolation = "none" },
		"host":    func(b *Plan) { b.Host = &base.HostRoot{} },
		"package": func(b *Plan) { b.Host = &base.HostRoot{Packages: "1"} },
		"root":    func(b *Plan) { b.Recipe.Root = "host" },
		"cpus":    func(b *Plan) { b.Recipe.CPUs = 4 },
		"recipe":  func(b *Plan) { b.Recipe.Config = map[string]string{"x": "y"} },
	} {
		b := plan()
		change(&b)
		if b.Key().String() == first.String() {
			t.Errorf("another %s left the key as it was", name)
		}
	}
}

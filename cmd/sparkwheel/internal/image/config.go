package image

import (
	"maps"
	"slices"
	"time"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/layer"
)

// config is the image's configuration, as far as it is not the base's.
func config(r *recipe.Recipe, l *recipe.Lock) layer.Config {
	c := layer.Config{
		WorkDir: r.Image.WorkDir, Entrypoint: r.Image.Entrypoint, Cmd: r.Image.Cmd,
		Labels: map[string]string{}, Created: newest(l),
	}
	environment := map[string]string{"PIP_CONSTRAINT": "/" + constraintsPath, "UV_CONSTRAINT": "/" + constraintsPath}
	maps.Copy(environment, r.Image.Environment)
	for _, k := range slices.Sorted(maps.Keys(environment)) {
		c.Env = append(c.Env, k+"="+environment[k])
	}
	maps.Copy(c.Labels, r.Image.Labels)
	for _, s := range l.Sources {
		c.Labels["org.sparkwheel."+s.Name+".commit"] = s.Commit
	}
	c.Labels["org.opencontainers.image.base.digest"] = l.Base.Digest
	if l.Base.Reference.Remote() {
		c.Labels["org.opencontainers.image.base.name"] = l.Base.Reference.String()
	}
	return c
}

// newest is the time of the newest commit: what stands for "now" in an image.
func newest(l *recipe.Lock) time.Time {
	var t time.Time
	for _, s := range l.Sources {
		if s.Time.After(t) {
			t = s.Time
		}
	}
	return t
}

package base

import (
	"slices"
	"strings"
)

// lists are the variables of a base that hold lists of directories: what a
// recipe sets comes before what the base has.
var lists = []string{"PATH", "LIBRARY_PATH", "LD_LIBRARY_PATH", "CPATH", "PKG_CONFIG_PATH"}

// Environment is what builds on the base start with: its image's variables that
// say where programs, headers and libraries are (PATH, LIBRARY_PATH,
// LD_LIBRARY_PATH, CPATH, PKG_CONFIG_PATH and CUDA_*), and above them a recipe's
// own, all as "K=V". The base's digest covers what comes from it.
func (b *Base) Environment(own []string) ([]string, error) {
	if b.Image == nil {
		return own, nil
	}
	config, err := b.Image.ConfigFile()
	if err != nil {
		return nil, err
	}
	return inherit(config.Config.Env, own), nil
}

func inherit(of, own []string) []string {
	var env []string
	for _, kv := range of {
		key, _, ok := strings.Cut(kv, "=")
		if ok && (slices.Contains(lists, key) || strings.HasPrefix(key, "CUDA_")) {
			env = append(env, kv)
		}
	}
	for _, kv := range own {
		key, value, _ := strings.Cut(kv, "=")
		i := slices.IndexFunc(env, func(have string) bool { return strings.HasPrefix(have, key+"=") })
		switch {
		case i < 0:
			env = append(env, kv)
		case slices.Contains(lists, key):
			env[i] = key + "=" + prepend(value, strings.TrimPrefix(env[i], key+"="))
		default:
			env[i] = kv
		}
	}
	return env
}

// prepend joins two lists of directories, each directory once.
func prepend(first, rest string) string {
	dirs := strings.Split(first, ":")
	for dir := range strings.SplitSeq(rest, ":") {
		if !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	return strings.Join(dirs, ":")
}

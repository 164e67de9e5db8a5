package layer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Config is what an image says beyond its layers; zero fields keep the base's.
type Config struct {
	Env        []string // "K=V": replaces the base's K where it stands, else is added
	WorkDir    string
	Entrypoint []string // replaces the base's, and drops the base's Cmd as a Dockerfile does
	Cmd        []string
	Labels     map[string]string // added to the base's
	// Annotations are the manifest's, added to the base's.
	Annotations map[string]string
	// Created is the image's time and that of each new layer's history (default Epoch).
	Created time.Time
}

// Append is base with the blobs on top, in the order given, as an OCI image:
// the media types of a docker base are those of OCI in the result, all of them.
// The base's platform with its variant, its layers and its history stay. Only
// the base's manifest and config are read; its layers are when they are asked for.
func Append(base v1.Image, cfg Config, blobs ...*Blob) (v1.Image, error) {
	img, err := appendTo(base, cfg, blobs)
	if err != nil {
		return nil, fmt.Errorf("appending to the base image: %w", err)
	}
	return img, nil
}

func appendTo(base v1.Image, cfg Config, blobs []*Blob) (*image, error) {
	if cfg.Created.IsZero() {
		cfg.Created = Epoch
	}
	baseManifest, err := base.Manifest()
	if err != nil {
		return nil, err
	}
	if err := CheckTypes(baseManifest); err != nil {
		return nil, err
	}
	baseConfig, err := base.ConfigFile()
	if err != nil {
		return nil, err
	}
	if got, want := len(baseConfig.RootFS.DiffIDs), len(baseManifest.Layers); got != want {
		return nil, fmt.Errorf("its config has %d layers, but its manifest %d", got, want)
	}
	img := &image{base: base, blobs: blobs}
	m := baseManifest.DeepCopy()
	for i := range m.Layers {
		m.Layers[i].MediaType = ociLayer(m.Layers[i].MediaType)
	}
	img.config = configured(baseConfig, cfg, len(m.Layers))
	for _, b := range blobs {
		desc, err := b.Descriptor()
		if err != nil {
			return nil, err
		}
		m.Layers = append(m.Layers, *desc)
		img.config.RootFS.DiffIDs = append(img.config.RootFS.DiffIDs, b.meta.DiffID)
		img.config.History = append(img.config.History, v1.History{
			Created: v1.Time{Time: cfg.Created.UTC()}, CreatedBy: createdBy, Comment: b.meta.Comment,
		})
	}
	if img.rawConfig, err = json.Marshal(img.config); err != nil {
		return nil, err
	}
	m.Annotations = merged(m.Annotations, cfg.Annotations)
	return img, img.seal(m)
}

// Stack is the image of a config as it stands, byte for byte, and the layers
// it names: for an image that was kept without a manifest.
func Stack(rawConfig []byte, blobs ...*Blob) (v1.Image, error) {
	config, err := v1.ParseConfigFile(bytes.NewReader(rawConfig))
	if err != nil {
		return nil, fmt.Errorf("parsing the image's config: %w", err)
	}
	img := &image{base: empty.Image, blobs: blobs, config: config, rawConfig: rawConfig}
	if got, want := len(config.RootFS.DiffIDs), len(blobs); got != want {
		return nil, fmt.Errorf("stacking %d layers: the image's config has %d", want, got)
	}
	m := &v1.Manifest{}
	for i, b := range blobs {
		if b.meta.DiffID != config.RootFS.DiffIDs[i] {
			return nil, fmt.Errorf("stacking layer %d: it is %s, but the image's config says %s", i, b.meta.DiffID, config.RootFS.DiffIDs[i])
		}
		desc, err := b.Descriptor()
		if err != nil {
			return nil, err
		}
		m.Layers = append(m.Layers, *desc)
	}
	return img, img.seal(m)
}

func configured(base *v1.ConfigFile, cfg Config, layers int) *v1.ConfigFile {
	c := base.DeepCopy()
	c.Created = v1.Time{Time: cfg.Created.UTC()}
	c.Container = "" // of the docker build that made the base
	c.RootFS.Type = "layers"
	c.History = wholeHistory(c.History, layers)
	c.Config.Env = mergedEnv(c.Config.Env, cfg.Env)
	c.Config.Labels = merged(c.Config.Labels, cfg.Labels)
	if cfg.WorkDir != "" {
		c.Config.WorkingDir = cfg.WorkDir
	}
	if cfg.Entrypoint != nil {
		c.Config.Entrypoint, c.Config.Cmd = cfg.Entrypoint, nil
	}
	if cfg.Cmd != nil {
		c.Config.Cmd = cfg.Cmd
	}
	return c
}

// wholeHistory has one entry for each layer: some bases come with none, and an
// entry more than layers, or less, makes readers pair the wrong ones.
func wholeHistory(history []v1.History, layers int) []v1.History {
	told := 0
	for _, h := range history {
		if !h.EmptyLayer {
			told++
		}
	}
	for ; told < layers; told++ {
		history = append(history, v1.History{Created: v1.Time{Time: Epoch}, Comment: "base"})
	}
	return history
}

func mergedEnv(base, more []string) []string {
	env := slices.Clone(base)
	for _, kv := range more {
		key, _, _ := strings.Cut(kv, "=")
		i := slices.IndexFunc(env, func(old string) bool {
			k, _, _ := strings.Cut(old, "=")
			return k == key
		})
		if i < 0 {
			env = append(env, kv)
		} else {
			env[i] = kv
		}
	}
	return env
}

func merged(base, more map[string]string) map[string]string {
	if len(more) == 0 {
		return base
	}
	m := make(map[string]string, len(base)+len(more))
	maps.Copy(m, base)
	maps.Copy(m, more)
	return m
}

func ociLayer(t types.MediaType) types.MediaType {
	switch t {
	case types.DockerLayer:
		return types.OCILayer
	case dockerLayerZstd:
		return types.OCILayerZStd
	case types.DockerUncompressedLayer:
		return types.OCIUncompressedLayer
	default:
		return t
	}
}

package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/spf13/cobra"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/fit"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/image"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/imagename"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/pipeline"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/layer"
	"github.com/sparkwheel/sparkwheel/layer/archive"
	"github.com/sparkwheel/sparkwheel/layer/layout"
	"github.com/sparkwheel/sparkwheel/wheel/install"
	"github.com/sparkwheel/sparkwheel/wheel/truth"
)

// wheelFlags say which wheels go onto which base.
type wheelFlags struct {
	wheels   []string
	base     imagename.Name
	platform string
	python   string
	scheme   string
	strict   image.Strictness
	reg      registryFlags
}

func (f *wheelFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&f.wheels, "wheel", nil, "wheel `FILE` to install (repeatable)")
	cmd.Flags().TextVar(&f.base, "base", imagename.Name{}, "`BASE` image: "+imagename.Forms+" (default the recipe's)")
	cmd.Flags().StringVar(&f.platform, "platform", "", "`OS/ARCH` of the image (default from the wheels' tags, else the host's)")
	f.reg.register(cmd)
	registerStrictness(cmd, &f.strict)
	cmd.Flags().StringVar(&f.python, "python", "", "`VERSION` of Python, such as 3.12, for a base without one")
	cmd.Flags().StringVar(&f.scheme, "scheme", "", "install into this `SCHEME` rather than the base's own: "+install.Kinds)
}

func (a *app) layerBuildCommand() *cobra.Command {
	var f wheelFlags
	var out string
	cmd := &cobra.Command{
		Use:   "build --wheel FILE... -o oci:DIR|oci-archive:FILE|docker-archive:FILE",
		Short: "Install wheels into layers on a base image and write the image",
		RunE: func(cmd *cobra.Command, args []string) error {
			f.wheels = append(f.wheels, args...)
			return a.runLayerBuild(cmd.Context(), &f, out)
		},
	}
	f.register(cmd)
	cmd.Flags().StringVarP(&out, "output", "o", "", "where the image goes: oci:DIR[:TAG], oci-archive:FILE or docker-archive:FILE")
	return cmd
}

func (a *app) runLayerBuild(ctx context.Context, f *wheelFlags, out string) error {
	write, err := imageWriter(out)
	if err != nil {
		return err
	}
	if n, err := imagename.Parse(out); err == nil && isSameFile(n.Path, f.base.Path) {
		return usageErrorf("-o %s is the base itself, which is still read while the image is written; name another file", out)
	}
	f.reg.loginAt(f.base)
	env, err := a.openEnv(&f.reg)
	if err != nil {
		return err
	}
	defer env.Store.Close()
	made, err := a.wheelImage(ctx, env, f)
	if err != nil {
		return classify(ctx, err)
	}
	if err := write(ctx, made.Image); err != nil {
		return fmt.Errorf("writing %s: %w", out, err)
	}
	doc, err := layersOf(out, made)
	if err != nil {
		return err
	}
	return a.result(doc, doc.Digest)
}

// isSameFile says whether two paths lead to one file.
func isSameFile(a, b string) bool {
	first, err := os.Stat(a)
	if err != nil {
		return false
	}
	second, err := os.Stat(b)
	return err == nil && !first.IsDir() && os.SameFile(first, second)
}

// imageWriter reads where an image is to be written.
func imageWriter(out string) (func(context.Context, v1.Image) error, error) {
	n, err := imagename.Parse(out)
	if err != nil {
		return nil, usageErrorf("-o: %w", err)
	}
	if err := checkImageOutput(n); err != nil {
		return nil, err
	}
	switch n.Transport {
	case imagename.OCI:
		return func(ctx context.Context, img v1.Image) error {
			_, err := layout.Write(ctx, n.Path, n.Tag, img)
			return err
		}, nil
	case imagename.OCIArchive:
		return func(ctx context.Context, img v1.Image) error {
			return archive.WriteOCI(ctx, n.Path, cmp.Or(n.Tag, "latest"), img)
		}, nil
	case imagename.DockerArchive:
		return func(ctx context.Context, img v1.Image) error {
			return archive.WriteDocker(ctx, n.Path, "sparkwheel:latest", img)
		}, nil
	}
	return nil, usageErrorf("-o %s is not one of oci:DIR[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE", n)
}

// checkImageOutput looks before the work at what is in an output's place.
func checkImageOutput(n imagename.Name) error {
	switch n.Transport {
	case imagename.OCI:
		return layout.Check(n.Path)
	case imagename.OCIArchive:
		return archive.CheckOCI(n.Path)
	case imagename.DockerArchive:
		return archive.CheckDocker(n.Path)
	}
	return nil
}

// wheelImage puts the wheels of the flags onto their base, a layer each.
func (a *app) wheelImage(ctx context.Context, env host.Env, f *wheelFlags) (*pipeline.Result, error) {
	if len(f.wheels) == 0 {
		return nil, usageErrorf("no wheel: give --wheel FILE")
	}
	if f.base.IsZero() {
		r, err := a.loadRecipe()
		if err != nil {
			return nil, err
		}
		f.base = r.Base
	}
	if f.base.Transport == imagename.Scratch && f.python == "" {
		return nil, usageErrorf("--base scratch has no Python that could say where wheels go; give --python VERSION, such as 3.12")
	}
	var scheme install.Kind
	if f.scheme != "" {
		var err error
		if scheme, err = install.ParseKind(f.scheme); err != nil {
			return nil, usageErrorf("--scheme: %w", err)
		}
	}
	g := &stage.Graph{Logs: a.logs(env), Clock: time.Now}
	s, err := pipeline.Layers(g, env, pipeline.LayersRequest{
		Wheels: f.wheels, Base: f.base, Platform: f.platform, Python: f.python, Scheme: scheme, Strict: f.strict,
	})
	if err != nil {
		return nil, err
	}
	if err := a.runGraph(ctx, g); err != nil {
		return nil, err
	}
	return s.Value(), nil
}

// imageDocument is the --json document of layer build, push and ls.
type imageDocument struct {
	Image     string          `json:"image,omitempty"`
	Digest    string          `json:"digest"`
	Layers    []layerDocument `json:"layers"`
	BytesSent *int64          `json:"bytes_sent,omitempty"`
	Allowed   []truth.Fault   `json:"allowed,omitempty"`
	// Replaced are the base's distributions that a wheel takes the place of.
	Replaced []fit.Replaced `json:"replaced,omitempty"`
}

type layerDocument struct {
	Digest    string   `json:"digest"`
	DiffID    string   `json:"diff_id"`
	Size      int64    `json:"size"`
	MediaType string   `json:"media_type"`
	Wheels    []string `json:"wheels"`
	Packages  []string `json:"packages,omitempty"`
	Replaces  []string `json:"replaces,omitempty"` // distributions of the base that the layer hides
	New       bool     `json:"new"`
	Files     int      `json:"files,omitempty"` // entries of the tar, where the image says it
}

// layersOf describes an image that was made here: its last layers are new.
func layersOf(image string, made *pipeline.Result) (imageDocument, error) {
	doc, err := describeImage(image, made.Image, made.Layers)
	doc.Allowed, doc.Replaced = made.Allowed, made.Replaced
	return doc, err
}

func describeImage(name string, img v1.Image, made []image.Layer) (imageDocument, error) {
	doc := imageDocument{Image: name, Layers: []layerDocument{}}
	digest, err := img.Digest()
	if err != nil {
		return doc, err
	}
	doc.Digest = digest.String()
	manifest, err := img.Manifest()
	if err != nil {
		return doc, err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return doc, err
	}
	if len(manifest.Layers) != len(config.RootFS.DiffIDs) {
		return doc, fmt.Errorf("image %s has %d layers and %d diff IDs", name, len(manifest.Layers), len(config.RootFS.DiffIDs))
	}
	first := len(manifest.Layers) - len(made)
	comments := layer.Comments(manifest, config)
	for i, d := range manifest.Layers {
		l := layerDocument{
			Digest: d.Digest.String(), DiffID: config.RootFS.DiffIDs[i].String(), Size: d.Size,
			MediaType: string(d.MediaType), Wheels: []string{}, New: i >= first,
		}
		l.Replaces = image.Replaces(comments[i])
		for file := range strings.FieldsSeq(comments[i]) {
			if len(l.Replaces) > 0 {
				break
			}
			if strings.HasSuffix(file, ".deb") {
				l.Packages = append(l.Packages, file)
			} else {
				l.Wheels = append(l.Wheels, file)
			}
		}
		if n, err := strconv.Atoi(d.Annotations[layer.FilesAnnotation]); err == nil {
			l.Files = n
		}
		doc.Layers = append(doc.Layers, l)
	}
	return doc, nil
}

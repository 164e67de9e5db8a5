package main

import (
	"context"
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/spf13/cobra"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/base"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/imagename"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/pipeline"
)

func (a *app) layerPushCommand() *cobra.Command {
	var f wheelFlags
	var image imagename.Name
	cmd := &cobra.Command{
		Use:   "push [--wheel FILE...] [--base REF] IMAGE",
		Short: "Push wheels as layers on a base image, or an image as it is, to a registry",
		Long: "Push wheels as layers on a base image to a registry, base layers included.\n" +
			"Positional arguments before the last are wheels too. With --image, that image is pushed as it is.\n" +
			"Layers that the registry already has are not sent; a push that follows an interrupted one uses what that sent.\n" +
			"Logins are those of docker and podman, unless --username says otherwise.",
		Example: "  sparkwheel layer push dist/*.whl --base docker.io/library/python:3.12-slim-bookworm registry.example/team/vllm:v1\n" +
			"  sparkwheel layer push --image oci:out/image registry.example/team/vllm:v1\n" +
			"  sparkwheel layer push --username me --password-stdin --image oci:out/image registry.example/team/vllm:v1 <token",
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f.wheels = append(f.wheels, args[:len(args)-1]...)
			return a.runLayerPush(cmd.Context(), &f, image, args[len(args)-1])
		},
	}
	f.register(cmd)
	cmd.Flags().TextVar(&image, "image", imagename.Name{}, "push this `IMAGE` as it is: "+imagename.Forms)
	return cmd
}

func (a *app) runLayerPush(ctx context.Context, f *wheelFlags, image imagename.Name, target string) error {
	if strings.HasSuffix(target, ".whl") {
		return usageErrorf("IMAGE is missing: the last argument, %s, is a wheel; name the image to push to after the wheels", target)
	}
	if _, err := pushTarget(target); err != nil {
		return err
	}
	if !image.IsZero() && len(f.wheels) > 0 {
		return usageErrorf("--image pushes an image as it is; leave out --wheel, or --image")
	}
	f.reg.loginAt(registryImage(target))
	env, err := a.openEnv(&f.reg)
	if err != nil {
		return err
	}
	defer env.Store.Close()
	var made *pipeline.Result
	switch {
	case !image.IsZero():
		made, err = a.existingImage(ctx, env, f, image)
	default:
		made, err = a.wheelImage(ctx, env, f)
	}
	if err != nil {
		return classify(ctx, err)
	}
	pushed, err := a.push(ctx, env, target, made.Image)
	if err != nil {
		return classify(ctx, err)
	}
	described, err := layersOf(target, made)
	if err != nil {
		return err
	}
	described.BytesSent = &pushed.BytesSent
	return a.result(described, described.Digest)
}

// existingImage opens an image on this host.
func (a *app) existingImage(ctx context.Context, env host.Env, f *wheelFlags, image imagename.Name) (*pipeline.Result, error) {
	platform := hostPlatform()
	if f.platform != "" {
		parsed, err := v1.ParsePlatform(f.platform)
		if err != nil {
			return nil, usageErrorf("--platform %q: %w", f.platform, err)
		}
		platform = *parsed
	}
	img, err := base.OpenImage(ctx, env, image, "", platform)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", image, err)
	}
	return &pipeline.Result{Image: img}, nil
}

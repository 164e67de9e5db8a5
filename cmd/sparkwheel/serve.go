package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/spf13/cobra"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/base"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/imagename"
	"github.com/sparkwheel/sparkwheel/layer/registry"
)

type serveFlags struct {
	reg       registryFlags
	listen    string
	name      string
	cert, key string
}

func (a *app) serveCommand() *cobra.Command {
	var f serveFlags
	cmd := &cobra.Command{
		Use:   "serve [IMAGE...]",
		Short: "Serve images as a read-only registry until interrupted",
		Long: "Serve images as a read-only registry: an OCI layout (oci:DIR, default oci:out/image) with all\n" +
			"its tags and referrers, or any other image. Prints what can be pulled, then serves until interrupted.",
		Example: "  sparkwheel serve\n" +
			"  sparkwheel serve --listen 192.168.177.11:5000 --name team/vllm oci:out/image",
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return a.runServe(cmd.Context(), &f, args) },
	}
	f.reg.register(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.listen, "listen", "127.0.0.1:5000", "listen on `ADDRESS`; any address but loopback serves everyone who can reach it")
	flags.StringVar(&f.name, "name", "", "the repository's `NAME` (default that of the layout's directory or of the image)")
	flags.StringVar(&f.cert, "tls-cert", "", "serve https with the certificate in `FILE` (PEM)")
	flags.StringVar(&f.key, "tls-key", "", "private key `FILE` (PEM) of the certificate")
	return cmd
}

// served is the document of --json.
type served struct {
	Address string        `json:"address"`
	Images  []servedImage `json:"images"`
}

type servedImage struct {
	Image  string `json:"image"`
	Digest string `json:"digest"`
}

func (a *app) runServe(ctx context.Context, f *serveFlags, images []string) error {
	if (f.cert == "") != (f.key == "") {
		return usageErrorf("--tls-cert and --tls-key go together")
	}
	names, err := imageNames(images)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		names = []imagename.Name{builtImage}
	}
	f.reg.loginAt(names...)
	env, err := a.openEnv(&f.reg)
	if err != nil {
		return err
	}
	defer env.Store.Close()
	server := registry.NewServer()
	var doc served
	for _, image := range names {
		added, err := f.add(ctx, env, server, image)
		if err != nil {
			return classify(ctx, err)
		}
		doc.Images = append(doc.Images, added...)
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", f.listen)
	if err != nil {
		return &codeError{codeFailed, fmt.Errorf("listening on %s: %w; give another address with --listen", f.listen, err)}
	}
	doc.Address = l.Addr().String()
	lines := make([]string, len(doc.Images))
	for i := range doc.Images {
		doc.Images[i].Image = doc.Address + "/" + doc.Images[i].Image
		lines[i] = doc.Images[i].Image + "@" + doc.Images[i].Digest
	}
	if err := a.result(doc, strings.Join(lines, "\n")); err != nil {
		return errors.Join(err, l.Close())
	}
	return serveUntil(ctx, l, server, f.cert, f.key)
}

// add gives the server one image and tells its names.
func (f *serveFlags) add(ctx context.Context, env host.Env, server *registry.Server, image imagename.Name) ([]servedImage, error) {
	if image.Transport == imagename.OCI && image.Tag == "" {
		return f.addLayout(server, image.Path)
	}
	img, err := base.OpenImage(ctx, env, image, "", env.Host)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", image, err)
	}
	repo, tag := f.name, "latest"
	if repo == "" {
		repo = "image"
		if ref, err := name.NewTag(image.Reference); err == nil {
			repo, tag = ref.RepositoryStr(), ref.TagStr()
		}
	}
	if err := server.AddImage(repo, tag, img); err != nil {
		return nil, err
	}
	digest, err := img.Digest()
	return []servedImage{{repo + ":" + tag, digest.String()}}, err
}

func (f *serveFlags) addLayout(server *registry.Server, dir string) ([]servedImage, error) {
	repo := f.name
	if repo == "" {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return nil, err
		}
		repo = strings.ToLower(filepath.Base(abs))
	}
	if _, err := name.NewRepository("localhost/" + repo); err != nil {
		return nil, usageErrorf("%q is not a repository name; give one with --name: %w", repo, err)
	}
	tags, err := server.AddLayout(repo, dir)
	if err != nil {
		return nil, err
	}
	var out []servedImage
	for tag, digest := range tags {
		out = append(out, servedImage{repo + ":" + tag, digest.String()})
	}
	slices.SortFunc(out, func(a, b servedImage) int { return strings.Compare(a.Image, b.Image) })
	return out, nil
}

// serveUntil serves until ctx ends, then lets transfers run for a moment more.
func serveUntil(ctx context.Context, l net.Listener, h http.Handler, cert, key string) error {
	srv := &http.Server{
		Handler: h, ReadHeaderTimeout: 30 * time.Second, IdleTimeout: 5 * time.Minute,
		ErrorLog: log.New(io.Discard, "", 0), // clients that go away are no news
	}
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if srv.Shutdown(grace) != nil {
			srv.Close()
		}
	})
	var err error
	if cert != "" {
		err = srv.ServeTLS(l, cert, key)
	} else {
		err = srv.Serve(l)
	}
	if !stop() {
		<-stopped
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serving: %w", err)
}

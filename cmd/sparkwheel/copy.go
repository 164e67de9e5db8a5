package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/spf13/cobra"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/base"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/imagename"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/remedy"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
	"github.com/sparkwheel/sparkwheel/layer/hosts"
)

// copyFlags say what goes where, and how the hosts are reached.
type copyFlags struct {
	reg       registryFlags
	image     imagename.Name
	tag       string
	platform  string
	via       []string
	runtime   string
	namespace string
	sshConfig string
}

func (a *app) copyCommand() *cobra.Command {
	var f copyFlags
	cmd := &cobra.Command{
		Use:   "copy [--image IMAGE] HOST...",
		Short: "Send an image to other hosts over SSH: only the layers missing there",
		Long: "Send an image to the docker, podman or containerd of other hosts over SSH.\n" +
			"Only layers that are missing there are sent; nothing is installed or configured.\n" +
			"It runs your ssh, with its configuration, agent and known hosts: `ssh HOST true` must\n" +
			"log in without a prompt.",
		Example: "  sparkwheel copy --tag vllm-node spark2 spark3\n" +
			"  sparkwheel copy --image registry.example/team/vllm:v1 --via spark2=192.168.177.12 spark2",
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.runCopy(cmd.Context(), &f, args) },
	}
	f.reg.register(cmd)
	flags := cmd.Flags()
	flags.TextVar(&f.image, "image", builtImage, "the `IMAGE`: "+imagename.Forms)
	flags.StringVar(&f.tag, "tag", "", "its `NAME` on the hosts (default the registry's name for it, else sparkwheel:latest)")
	flags.StringVar(&f.platform, "platform", "", "the `OS/ARCH` to choose from a multi-platform image (default this host's)")
	flags.StringArrayVar(&f.via, "via", nil, "reach a host at another address, `HOST=ADDRESS`, such as one on a faster network (repeatable)")
	flags.StringVar(&f.runtime, "runtime", "", "load into `docker|podman|containerd` (default the first that answers)")
	flags.StringVar(&f.namespace, "namespace", "", "containerd's `NAMESPACE` (default default; Kubernetes uses k8s.io)")
	flags.StringVar(&f.sshConfig, "ssh-config", "", "use this `FILE` in place of ~/.ssh/config")
	return cmd
}

// copied is the document of --json.
type copied struct {
	Hosts []copiedHost `json:"hosts"`
}

type copiedHost struct {
	Host         string  `json:"host"`
	Runtime      string  `json:"runtime"`
	BytesSent    int64   `json:"bytes_sent"`
	BytesSkipped int64   `json:"bytes_skipped"`
	Seconds      float64 `json:"seconds"`
	Error        string  `json:"error"`
}

func (a *app) runCopy(ctx context.Context, f *copyFlags, to []string) error {
	tag, err := f.target()
	if err != nil {
		return err
	}
	loader, err := f.loader()
	if err != nil {
		return err
	}
	platform := hostPlatform()
	if f.platform != "" {
		p, err := v1.ParsePlatform(f.platform)
		if err != nil {
			return usageErrorf("--platform %q: %w", f.platform, err)
		}
		platform = *p
	}
	f.reg.loginAt(f.image)
	env, err := a.openEnv(&f.reg)
	if err != nil {
		return err
	}
	defer env.Store.Close()
	img, err := base.OpenImage(ctx, env, f.image, "", platform)
	if err != nil {
		return classify(ctx, fmt.Errorf("opening %s: %w", f.image, err))
	}
	dir, err := os.MkdirTemp("", "sw")
	if err != nil {
		return fmt.Errorf("making a directory for ssh's sockets: %w", err)
	}
	defer os.RemoveAll(dir)
	loader.Dialer.(*hosts.SSH).Dir = dir
	results, err := a.copyTo(ctx, env, loader, img, tag, to)
	if err != nil {
		return classify(ctx, err)
	}
	return a.copyResult(img, results)
}

// target is the image's name on the hosts.
func (f *copyFlags) target() (name.Tag, error) {
	s := f.tag
	if s == "" {
		s = "sparkwheel:latest"
		if ref, err := f.image.Parsed(); err == nil {
			s = ref.Context().Name()
			if t, ok := ref.(name.Tag); ok {
				s = t.Name()
			}
		}
	}
	tag, err := name.NewTag(s)
	if err != nil {
		return tag, usageErrorf("--tag %q is not an image name: %w", s, err)
	}
	return tag, nil
}

// builtImage is what build leaves, where no -o says otherwise.
var builtImage = imagename.Name{Transport: imagename.OCI, Path: "out/image"}

// imageNames reads the images that a command's arguments name.
func imageNames(args []string) ([]imagename.Name, error) {
	var names []imagename.Name
	for _, arg := range args {
		n, err := imagename.Parse(arg)
		if err != nil {
			return nil, usageErrorf("%w", err)
		}
		names = append(names, n)
	}
	return names, nil
}

func (f *copyFlags) loader() (*hosts.Loader, error) {
	switch f.runtime {
	case "", "docker", "podman", "containerd":
	default:
		return nil, usageErrorf("--runtime %q is not one of docker, podman, containerd", f.runtime)
	}
	ssh := &hosts.SSH{Env: os.Environ(), Via: map[string]string{}}
	if f.sshConfig != "" {
		ssh.Args = []string{"-F", f.sshConfig}
	}
	for _, v := range f.via {
		host, addr, ok := strings.Cut(v, "=")
		if !ok || host == "" || addr == "" {
			return nil, usageErrorf("--via %q is not HOST=ADDRESS, such as spark2=192.168.177.12", v)
		}
		ssh.Via[host] = addr
	}
	return &hosts.Loader{Dialer: ssh, Runtime: f.runtime, Namespace: f.namespace, Now: time.Now}, nil
}

// copyTo runs one stage for each host. A host's failure is its result's, so
// that it stops no other's stage.
func (a *app) copyTo(ctx context.Context, env host.Env, loader *hosts.Loader, img v1.Image, tag name.Tag, to []string) ([]hosts.Result, error) {
	g := &stage.Graph{Logs: a.logs(env), Clock: time.Now}
	stages := make([]*stage.Stage[hosts.Result], len(to))
	for i, host := range to {
		stages[i] = stage.Add(g, fmt.Sprintf("copy to %s", host), func(ctx context.Context, run *stage.Run) (hosts.Result, error) {
			l := *loader
			l.Progress = func(_ string, done, total int64) { run.Progress(done, total) }
			r := l.Load(ctx, img, tag, []string{host})[0]
			switch {
			case r.Err != nil && ctx.Err() != nil:
				return r, r.Err
			case r.Err != nil:
				run.Note("%s", r.Err)
			case r.Sent == 0:
				run.Note("already on the host")
			}
			return r, nil
		})
	}
	display := a.display()
	err := g.Run(ctx, max(a.jobs, len(to)), display)
	if err := errors.Join(err, display.Close()); err != nil {
		return nil, err
	}
	results := make([]hosts.Result, len(to))
	for i, s := range stages {
		results[i] = s.Value()
	}
	return results, nil
}

// copyResult prints the table of hosts on stderr and the image's digest, or
// the document, on stdout; a host that failed makes the run fail.
func (a *app) copyResult(img v1.Image, results []hosts.Result) error {
	var doc copied
	var failed []error
	table := tabwriter.NewWriter(a.Stderr, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "HOST\tRUNTIME\tSENT\tSKIPPED\tSECONDS\tRESULT")
	for _, r := range results {
		h := copiedHost{Host: r.Host, Runtime: r.Runtime, BytesSent: r.Sent, BytesSkipped: r.Skipped, Seconds: r.Took.Seconds()}
		result := "copied"
		switch {
		case r.Err != nil:
			result = "failed"
		case r.Sent == 0:
			result = "has it"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%.1f\t%s\n", h.Host, cmp.Or(h.Runtime, "-"), store.Size(h.BytesSent), store.Size(h.BytesSkipped), h.Seconds, result)
		if r.Err != nil {
			h.Error = remedy.Text(r.Err)
			failed = append(failed, fmt.Errorf("copying to %s: %w", r.Host, r.Err))
		}
		doc.Hosts = append(doc.Hosts, h)
	}
	if !a.json {
		if err := table.Flush(); err != nil {
			return err
		}
	}
	digest, err := img.Digest()
	if err != nil {
		return err
	}
	if a.json || len(failed) < len(results) {
		if err := a.result(doc, digest.String()); err != nil {
			return err
		}
	}
	return errors.Join(failed...)
}

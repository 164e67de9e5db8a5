package hosts

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// The runtimes that can be loaded into.
const (
	docker     = "docker"
	podman     = "podman"
	containerd = "containerd"
)

// runtime is what answered on a host.
type runtime struct {
	kind    string
	command []string // how it is called, with sudo -n where it must be
	version string
	root    string // where it keeps images
	// pulls is whether layers come by pulling. Docker's classic store would pull
	// again what `docker load` brought; it gets an archive.
	pulls bool
}

func (r runtime) String() string { return strings.TrimSpace(r.kind + " " + r.version) }

// probe finds the first runtime that answers: its client alone is not enough,
// nor a daemon that this user may not talk to.
const probe = `
for r in $1; do
  case $r in containerd) c=ctr; q=version;; *) c=$r; q=info;; esac
  command -v $c >/dev/null 2>&1 || { [ -x /usr/sbin/$c ] && c=/usr/sbin/$c; } || continue
  for s in "" "sudo -n"; do
    if $s $c $q >/dev/null 2>&1; then echo "$r"; echo "$s $c"; exit 0; fi
  done
done
exit 3`

func (t *transfer) findRuntime(ctx context.Context) error {
	asked := t.loader.Runtime
	if asked == "" {
		asked = docker + " " + podman + " " + containerd
	}
	out, err := t.output(ctx, "sh", "-c", probe, "sh", asked)
	if e, ok := errors.AsType[*CommandError](err); ok && e.Code == 3 {
		return &NoRuntimeError{t.host, t.loader.Runtime}
	}
	if err != nil {
		return err
	}
	kind, command, _ := strings.Cut(out, "\n")
	t.runtime = runtime{kind: kind, command: strings.Fields(command), pulls: true}
	switch kind {
	case docker:
		return t.askDocker(ctx)
	case podman:
		return t.askPodman(ctx)
	case containerd:
		return t.askContainerd(ctx)
	}
	return &NoRuntimeError{t.host, t.loader.Runtime}
}

func (t *transfer) askDocker(ctx context.Context) error {
	out, err := t.ask(ctx, "info", "--format", "{{.ServerVersion}}\n{{.DockerRootDir}}\n{{json .DriverStatus}}")
	if err != nil {
		return err
	}
	lines := strings.SplitN(out, "\n", 3)
	if len(lines) < 3 {
		return fmt.Errorf("%s: docker info said %q", t.host, out)
	}
	t.runtime.version, t.runtime.root = lines[0], lines[1]
	t.runtime.pulls = strings.Contains(lines[2], "io.containerd.snapshotter")
	return nil
}

func (t *transfer) askPodman(ctx context.Context) error {
	out, err := t.ask(ctx, "info", "--format", "{{.Version.Version}}\n{{.Store.GraphRoot}}")
	if err != nil {
		return err
	}
	t.runtime.version, t.runtime.root, _ = strings.Cut(out, "\n")
	return nil
}

func (t *transfer) askContainerd(ctx context.Context) error {
	ns := t.loader.Namespace
	if ns == "" {
		ns = "default"
	}
	t.runtime.command = append(t.runtime.command, "--namespace", ns)
	t.runtime.root = "/var/lib/containerd"
	out, err := t.ask(ctx, "version")
	if err != nil {
		return err
	}
	_, server, _ := strings.Cut(out, "Server:")
	_, rest, _ := strings.Cut(server, "Version:")
	t.runtime.version = strings.TrimSpace(strings.SplitN(rest, "\n", 2)[0])
	return nil
}

// ask runs the runtime's client and returns what it printed, without the last newline.
func (t *transfer) ask(ctx context.Context, args ...string) (string, error) {
	return t.output(ctx, append(slices.Clone(t.runtime.command), args...)...)
}

// maxAnswer bounds what a host can make this machine keep.
const maxAnswer = 64 << 20

func (t *transfer) output(ctx context.Context, args ...string) (string, error) {
	out := &limited{rest: maxAnswer}
	err := t.conn.Run(ctx, args, nil, out)
	return strings.TrimRight(out.String(), "\n"), err
}

type limited struct {
	bytes.Buffer
	rest int
}

func (l *limited) Write(p []byte) (int, error) {
	if l.rest -= len(p); l.rest < 0 {
		return 0, errors.New("the host's answer is too long")
	}
	return l.Buffer.Write(p)
}

// present returns for each layer whether the host has it. Docker and podman
// keep a layer under the chain of diffIDs up to it: it can only be taken from
// an image that begins with the same layers. Containerd keeps blobs.
func (t *transfer) present(ctx context.Context) ([]bool, error) {
	have := make([]bool, len(t.want.layers))
	if t.runtime.kind == containerd {
		out, err := t.ask(ctx, "content", "ls", "-q")
		if err != nil {
			return nil, err
		}
		blobs := strings.Fields(out)
		for i, l := range t.want.manifest.Layers {
			have[i] = slices.Contains(blobs, l.Digest.String())
		}
		return have, nil
	}
	lists, err := t.rootLayers(ctx)
	if err != nil {
		return nil, err
	}
	for _, list := range lists {
		for i, diffID := range t.want.diffIDs {
			if i >= len(list) || list[i] != diffID {
				break
			}
			have[i] = true
		}
	}
	return have, nil
}

// rootLayers lists the diffIDs of every image of docker or podman.
func (t *transfer) rootLayers(ctx context.Context) ([][]v1.Hash, error) {
	ids, err := t.ask(ctx, "image", "ls", "--quiet", "--no-trunc")
	if err != nil {
		return nil, err
	}
	unique := slices.Compact(slices.Sorted(slices.Values(strings.Fields(ids))))
	var out [][]v1.Hash
	for chunk := range slices.Chunk(unique, 200) {
		text, err := t.ask(ctx, append([]string{"image", "inspect", "--format", "{{json .RootFS.Layers}}"}, chunk...)...)
		if err != nil {
			// An image that went away meanwhile: the others are asked again next
			// time, and sending a layer twice is no fault.
			continue
		}
		for line := range strings.Lines(text) {
			var list []v1.Hash
			if json.Unmarshal([]byte(line), &list) == nil {
				out = append(out, list)
			}
		}
	}
	return out, nil
}

// free returns how many bytes are free where the runtime keeps images; less
// than zero when the host does not say.
func (t *transfer) free(ctx context.Context) int64 {
	out, err := t.output(ctx, "df", "-Pk", t.runtime.root)
	if err != nil {
		return -1
	}
	lines := strings.Split(out, "\n")
	fields := strings.Fields(lines[len(lines)-1])
	if len(fields) < 4 {
		return -1
	}
	kib, err := strconv.ParseInt(fields[3], 10, 64)
	if err != nil {
		return -1
	}
	return kib << 10
}

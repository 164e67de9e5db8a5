package hosts_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/sparkwheel/sparkwheel/layer/hosts"
)

// cluster in memory: each host answers as its runtime would, and "podman pull"
// really pulls from the address that was forwarded.
type fakeHosts map[string]*fakeHost

type fakeHost struct {
	runtime string
	free    string // KiB
	refuse  error
	noPull  bool

	mu     sync.Mutex
	images map[string][]string // ID to diffIDs
	tags   map[string]string
	target string
}

func (f fakeHosts) Dial(_ context.Context, host string) (hosts.Conn, error) {
	h := f[host]
	if h.refuse != nil {
		return nil, &hosts.ConnectError{Host: host, Err: h.refuse}
	}
	return h, nil
}

func (h *fakeHost) Close() error { return nil }

func (h *fakeHost) Forward(_ context.Context, target string) (int, error) {
	h.target = target
	return 40000, nil
}

func (h *fakeHost) Run(ctx context.Context, args []string, stdin io.Reader, stdout io.Writer) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	line := strings.Join(args, " ")
	fail := &hosts.CommandError{Args: args, Code: 1, Tail: "no"}
	switch {
	case args[0] == "sh":
		if h.runtime == "" {
			fail.Code = 3
			return fail
		}
		fmt.Fprintf(stdout, "%s\nsudo -n %s\n", h.runtime, h.runtime)
	case args[0] == "df":
		fmt.Fprintf(stdout, "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/x 1 1 %s 1%% /\n", h.free)
	case strings.Contains(line, " info "):
		fmt.Fprint(stdout, "9.9\n/var/lib/images\n[]\n")
	case strings.Contains(line, "image ls"):
		for id := range h.images {
			fmt.Fprintln(stdout, id)
		}
	case strings.Contains(line, "RootFS.Layers"):
		for _, id := range args[slices.Index(args, "{{json .RootFS.Layers}}")+1:] {
			fmt.Fprintf(stdout, "[\"%s\"]\n", strings.Join(h.images[id], `","`))
		}
	case strings.Contains(line, "{{.Id}}"):
		id, ok := h.tags[args[len(args)-1]]
		if !ok {
			return fail
		}
		fmt.Fprintln(stdout, id)
	case strings.Contains(line, " pull "):
		if h.noPull {
			return fail
		}
		return h.pull(ctx, args[len(args)-1])
	case strings.Contains(line, " tag "):
		h.tags[args[len(args)-1]] = h.tags[args[len(args)-2]]
	case strings.Contains(line, " untag "):
		delete(h.tags, args[len(args)-1])
	case strings.Contains(line, " load "):
		return h.load(stdin)
	}
	return nil
}

func (h *fakeHost) pull(ctx context.Context, ref string) error {
	d, err := name.NewDigest(strings.Replace(ref, "127.0.0.1:40000", h.target, 1))
	if err != nil {
		return err
	}
	img, err := remote.Image(d, remote.WithContext(ctx))
	if err != nil {
		return err
	}
	return h.store(img, ref)
}

func (h *fakeHost) store(img v1.Image, tag string) error {
	conf, err := img.ConfigFile()
	if err != nil {
		return err
	}
	layers, err := img.Layers()
	if err != nil {
		return err
	}
	var ids []string
	for i, l := range layers {
		ids = append(ids, conf.RootFS.DiffIDs[i].String())
		if h.has(ids) {
			continue
		}
		rc, err := l.Compressed()
		if err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, rc); err != nil {
			return err
		}
		rc.Close()
	}
	id, err := img.ConfigName()
	h.images[id.String()], h.tags[tag] = ids, id.String()
	return err
}

func (h *fakeHost) has(chain []string) bool {
	for _, ids := range h.images {
		if len(ids) >= len(chain) && slices.Equal(ids[:len(chain)], chain) {
			return true
		}
	}
	return false
}

// load takes any archive for the image that the test sends.
func (h *fakeHost) load(r io.Reader) error {
	b, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if i := strings.Index(string(b), `"Config":"`); i >= 0 {
		h.tags["docker.io/team/app:v1"] = "sha256:" + string(b[i+10:i+74])
	}
	return nil
}

func host(runtime string) *fakeHost {
	return &fakeHost{runtime: runtime, free: "99999999", images: map[string][]string{}, tags: map[string]string{}}
}

// Every way that a host can go, at once; none disturbs another.
func TestLoad(t *testing.T) {
	t.Parallel()
	img := imageOf(t, tarLayer(t, 100<<10), tarLayer(t, 100<<10))
	full, silent, gone, noPull := host("podman"), host(""), host("podman"), host("podman")
	full.free, gone.refuse, noPull.noPull = "100", errors.New("no route to host"), true
	all := fakeHosts{"pulls": host("podman"), "loads": host("docker"), "full": full, "silent": silent, "gone": gone, "noPull": noPull}
	names := []string{"pulls", "loads", "full", "silent", "gone", "noPull"}
	l := &hosts.Loader{Dialer: all}
	got := l.Load(t.Context(), img, tagOf(t, "team/app:v1"), names)
	for i, want := range []func(error) bool{none, none, is[*hosts.SpaceError], is[*hosts.NoRuntimeError], is[*hosts.ConnectError], none} {
		if got[i].Host != names[i] || !want(got[i].Err) {
			t.Errorf("%s: %v", names[i], got[i].Err)
		}
		if got[i].Err == nil && !within(got[i].Sent, 200<<10, 5) {
			t.Errorf("%s: sent %d bytes, want about %d", names[i], got[i].Sent, 200<<10)
		}
	}
	again := l.Load(t.Context(), img, tagOf(t, "team/app:v1"), names[:1])
	if again[0].Err != nil || again[0].Sent != 0 || !within(again[0].Skipped, 200<<10, 5) {
		t.Errorf("the same again: %+v", again[0])
	}
}

func none(err error) bool { return err == nil }

func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

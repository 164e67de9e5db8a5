package hosts

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sparkwheel/sparkwheel/layer/registry"
)

// transfer is one image on its way to one host.
type transfer struct {
	loader  *Loader
	conn    Conn
	host    string
	want    *wanted
	runtime runtime

	sent    atomic.Int64
	total   int64 // about how much will be sent
	skipped int64
}

func (t *transfer) run(ctx context.Context) error {
	if err := t.findRuntime(ctx); err != nil {
		return err
	}
	have, err := t.present(ctx)
	if err != nil {
		return fmt.Errorf("asking for the layers there: %w", err)
	}
	missing := int64(0)
	for i, l := range t.want.manifest.Layers {
		if have[i] {
			t.skipped += l.Size
		} else {
			missing += l.Size
		}
	}
	if t.verify(ctx) == nil {
		return nil
	}
	if err := t.space(ctx, missing); err != nil {
		return err
	}
	t.total = missing
	if err := t.bring(ctx, have); err != nil {
		return err
	}
	return t.verify(ctx)
}

// space compares what is free with a guess at what is needed: wheels and
// libraries unpack to about three times their size, and containerd keeps the
// blob beside it.
func (t *transfer) space(ctx context.Context, missing int64) error {
	need := 3 * missing
	if t.runtime.kind == containerd {
		need += missing
	}
	if free := t.free(ctx); free >= 0 && free < need {
		return &SpaceError{t.host, t.runtime.root, need, free}
	}
	return nil
}

// bring pulls through a tunnel where that is possible and streams an archive
// where it is not.
func (t *transfer) bring(ctx context.Context, have []bool) error {
	if !t.runtime.pulls {
		return t.load(ctx, have)
	}
	err := t.pull(ctx)
	if err == nil || ctx.Err() != nil {
		return err
	}
	if _, lost := errors.AsType[*ConnectError](err); lost {
		return err
	}
	if again := t.load(ctx, make([]bool, len(have))); again != nil {
		return errors.Join(err, again)
	}
	t.skipped = 0
	return nil
}

// pull has the host's runtime pull from a read-only registry on this machine's
// loopback, which the host sees on its own loopback for as long as it takes.
func (t *transfer) pull(ctx context.Context) error {
	repo := t.want.tag.RepositoryStr()
	server := registry.NewServer()
	if err := server.AddImage(repo, t.want.tag.TagStr(), t.want.img); err != nil {
		return err
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("serving the image on loopback: %w", err)
	}
	srv := &http.Server{
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { server.ServeHTTP(&meter{w, t}, r) }),
		ReadHeaderTimeout: 30 * time.Second,
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(l)
	}()
	defer func() {
		srv.Close()
		<-done
	}()
	port, err := t.conn.Forward(ctx, l.Addr().String())
	if err != nil {
		return err
	}
	from := fmt.Sprintf("127.0.0.1:%d/%s", port, repo)
	if t.runtime.kind == containerd {
		return t.ctrPull(ctx, from)
	}
	return t.cliPull(ctx, from)
}

// cliPull is for podman, and docker on containerd's store. The name with the
// port in it goes: the tag that was asked for stays.
func (t *transfer) cliPull(ctx context.Context, from string) error {
	ref := from + "@" + t.want.digest.String()
	args := []string{"pull", "--quiet", ref}
	if t.runtime.kind == podman {
		args = []string{"pull", "--quiet", "--tls-verify=false", ref}
	}
	if _, err := t.ask(ctx, args...); err != nil {
		return fmt.Errorf("pulling: %w", err)
	}
	if _, err := t.ask(ctx, "tag", ref, t.want.name()); err != nil {
		return fmt.Errorf("tagging: %w", err)
	}
	if t.runtime.kind == podman {
		_, err := t.ask(ctx, "untag", t.want.id.Hex, ref)
		return err
	}
	_, err := t.ask(ctx, "rmi", ref)
	return err
}

func (t *transfer) ctrPull(ctx context.Context, from string) error {
	ref := from + "@" + t.want.digest.String()
	if _, err := t.ask(ctx, "images", "pull", "--plain-http", ref); err != nil {
		return fmt.Errorf("pulling: %w", err)
	}
	if _, err := t.ask(ctx, "images", "tag", "--force", ref, t.want.name()); err != nil {
		return fmt.Errorf("tagging: %w", err)
	}
	_, err := t.ask(ctx, "images", "rm", ref)
	return err
}

// load streams a docker-archive that lacks the layers in have.
func (t *transfer) load(ctx context.Context, have []bool) error {
	pr, pw := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		pw.CloseWithError(t.want.archive(ctx, &counted{pw, t}, have))
	}()
	args := []string{"load", "--quiet"}
	if t.runtime.kind == containerd {
		args = []string{"images", "import", "-"}
	}
	err := t.conn.Run(ctx, append(append([]string{}, t.runtime.command...), args...), pr, nil)
	pr.CloseWithError(errors.New("the host stopped reading"))
	<-done
	if err != nil {
		return fmt.Errorf("loading: %w", err)
	}
	return nil
}

// verify asks the host what the tag names now.
func (t *transfer) verify(ctx context.Context) error {
	want := t.want.id
	args := []string{"image", "inspect", "--format", "{{.Id}}", t.want.name()}
	if t.runtime.kind == containerd {
		want = t.want.digest
		args = []string{"images", "ls", "name==" + t.want.name()}
	}
	out, err := t.ask(ctx, args...)
	if err != nil {
		return fmt.Errorf("verifying: %w", err)
	}
	// Docker on containerd's store tells the manifest's digest for the ID.
	if strings.Contains(out, want.Hex) || t.runtime.kind == docker && t.runtime.pulls && strings.Contains(out, t.want.digest.Hex) {
		return nil
	}
	return &VerifyError{t.host, t.want.name(), want.String(), out}
}

func (t *transfer) moved(n int) {
	done := t.sent.Add(int64(n))
	if p := t.loader.Progress; p != nil {
		p(t.host, done, max(done, t.total))
	}
}

// meter counts what the registry sends.
type meter struct {
	http.ResponseWriter
	t *transfer
}

func (m *meter) Write(p []byte) (int, error) {
	n, err := m.ResponseWriter.Write(p)
	m.t.moved(n)
	return n, err
}

type counted struct {
	w io.Writer
	t *transfer
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.t.moved(n)
	return n, err
}

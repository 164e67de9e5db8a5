package git

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/sideband"
	"github.com/go-git/go-git/v5/plumbing/transport"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"
)

// remote is a repository on a server, with the refs that it advertised.
type remote struct {
	url      string
	refs     map[string]plumbing.Hash
	peeled   map[string]plumbing.Hash
	head     *plumbing.Hash
	caps     *capability.List
	open     func(context.Context) (session, error)
	http     *httpRemote // nil for what is not HTTP
	received *atomic.Int64
}

// errRefused says that a server knows no such object, or does not give it away
// by its SHA.
var errRefused = errors.New("the server refuses to send commits by SHA")

// connect asks a server for its refs.
func (m *Mirrors) connect(ctx context.Context, raw string) (*remote, error) {
	to, err := m.address(raw)
	if err != nil {
		return nil, err
	}
	if m.Offline && to.scheme != "file" {
		return nil, fmt.Errorf("%s: %w", redact(raw), ErrOffline)
	}
	r := &remote{url: redact(raw), received: new(atomic.Int64)}
	if to.url != nil {
		err = m.connectHTTP(r, to)
	} else {
		err = m.connectStream(r, to)
	}
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", r.url, err)
	}
	s, err := r.open(ctx)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", r.url, err)
	}
	adv, err := s.AdvertisedReferencesContext(ctx)
	if err := errors.Join(err, s.Close()); err != nil {
		return nil, fmt.Errorf("reading the refs of %s: %w", r.url, explain(ctx, err))
	}
	r.refs, r.peeled, r.head, r.caps = adv.References, adv.Peeled, adv.Head, adv.Capabilities
	return r, nil
}

// connectStream makes r speak to a program: ssh, or this host's own git.
func (m *Mirrors) connectStream(r *remote, to address) error {
	var run program
	switch {
	case to.scheme == "ssh" && m.SSH != nil:
		run = func(ctx context.Context, in io.Reader, out io.Writer) error {
			return m.SSH(ctx, to.host, []string{transport.UploadPackServiceName, to.path}, in, out)
		}
	case to.scheme == "file" && m.Git != nil:
		run = func(ctx context.Context, in io.Reader, out io.Writer) error {
			// A repository of this host's has nothing to hide from its reader.
			return m.Git(ctx, Call{Stdin: in, Stdout: out, Args: []string{
				"-c", "uploadpack.allowFilter=true", "-c", "uploadpack.allowAnySHA1InWant=true", "upload-pack", to.path}})
		}
	default:
		return fmt.Errorf("no program for %s URLs", to.scheme)
	}
	r.open = func(ctx context.Context) (session, error) { return openStream(ctx, run, m.idle(), r.received) }
	return nil
}

// explain turns go-git's errors, which quote a server's page, into the cause.
func explain(ctx context.Context, err error) error {
	if smart, ok := errors.AsType[*NotSmartError](err); ok {
		return smart
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, transport.ErrAuthenticationRequired):
		return errors.New("the server wants credentials (or has no such repository); give them in ~/.netrc")
	case errors.Is(err, transport.ErrAuthorizationFailed):
		return errors.New("the server rejects these credentials")
	case errors.Is(err, transport.ErrRepositoryNotFound):
		return errors.New("the repository does not exist")
	case errors.Is(err, transport.ErrEmptyRemoteRepository):
		return errors.New("the repository is empty")
	}
	return unwrapped(err)
}

// StatusError is an answer of a git server over HTTP that is not a repository's.
type StatusError struct {
	Status     int
	RetryAfter string // what the server asked to wait, in its words; "": nothing
}

func (e *StatusError) Error() string {
	msg := fmt.Sprintf("the server answered %d %s", e.Status, http.StatusText(e.Status))
	if e.RetryAfter != "" {
		msg += fmt.Sprintf(" (Retry-After: %.40q)", e.RetryAfter)
	}
	return msg
}

// UnreachableError says that a git server gave no answer, however often it was
// asked.
type UnreachableError struct{ Err error }

func (e *UnreachableError) Error() string { return e.Err.Error() }
func (e *UnreachableError) Unwrap() error { return e.Err }

// unwrapped is what lies in go-git's error, which hides the cause and quotes
// the page that came instead of an answer.
func unwrapped(err error) error {
	if e, ok := errors.AsType[*plumbing.UnexpectedError](err); ok {
		err = e.Err
	}
	if e, ok := errors.AsType[*githttp.Err](err); ok {
		return &StatusError{e.StatusCode(), e.Response.Header.Get("Retry-After")}
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		return &UnreachableError{e.Err} // without its URL, which may hold a password
	}
	return err
}

// want is one request for a pack.
type want struct {
	Hashes   []plumbing.Hash
	Haves    []plumbing.Hash
	Shallows []plumbing.Hash
	Depth    int
	Filter   packp.Filter
}

func (r *remote) filters() bool { return r.caps.Supports(capability.Filter) }

// wantFor is what to ask for to get the commit h: h itself where it is the tip
// of a ref or the server may send any commit, else an annotated tag on it,
// which every server sends. It is false when the server is sure to refuse.
func (r *remote) wantFor(h plumbing.Hash) (plumbing.Hash, bool) {
	if r.gives(h) {
		return h, true
	}
	for name, v := range r.peeled {
		if v == h {
			return r.refs[name], true
		}
	}
	// Over HTTP a server that says nothing may still send what its refs reach,
	// and one that speaks version 2 anything.
	return h, r.http != nil
}

// gives reports whether the server is sure to send h by its name.
func (r *remote) gives(h plumbing.Hash) bool {
	if r.caps.Supports(capability.AllowReachableSHA1InWant) || r.head != nil && *r.head == h {
		return true
	}
	for _, v := range r.refs {
		if v == h {
			return true
		}
	}
	return false
}

// pack asks for a pack and hands its bytes to use.
func (r *remote) pack(ctx context.Context, w want, use func(io.Reader) error) error {
	if r.http != nil && slices.ContainsFunc(w.Hashes, func(h plumbing.Hash) bool { return !r.gives(h) }) {
		err := r.pack2(ctx, w, use)
		if !errors.Is(err, errVersion1) {
			return err
		}
	}
	req, err := r.request(w)
	if err != nil {
		return err
	}
	return r.pack1(ctx, req, use)
}

// request is a request for a pack in versions 0 and 1 of the protocol.
func (r *remote) request(w want) (*packp.UploadPackRequest, error) {
	req := packp.NewUploadPackRequestFromCapabilities(r.caps)
	caps := []capability.Capability{}
	if len(w.Haves) > 0 {
		// Every server knows thin packs. Without them, git sends a shallow
		// commit's whole tree whatever the client has.
		caps = append(caps, capability.ThinPack)
	}
	if r.caps.Supports(capability.NoProgress) {
		caps = append(caps, capability.NoProgress)
	}
	if w.Depth > 0 || len(w.Shallows) > 0 {
		caps = append(caps, capability.Shallow)
	}
	if w.Filter != "" {
		caps = append(caps, capability.Filter)
	}
	for _, c := range caps {
		if err := req.Capabilities.Set(c); err != nil {
			return nil, err
		}
	}
	req.Wants, req.Haves, req.Shallows = w.Hashes, w.Haves, w.Shallows
	req.Depth, req.Filter = packp.DepthCommits(w.Depth), w.Filter
	return req, nil
}

func (r *remote) pack1(ctx context.Context, req *packp.UploadPackRequest, use func(io.Reader) error) (err error) {
	session, err := r.open(ctx)
	if err != nil {
		return fmt.Errorf("opening %s: %w", r.url, err)
	}
	defer func() { err = errors.Join(err, session.Close()) }()
	resp, err := session.UploadPack(ctx, req)
	if err != nil {
		return fmt.Errorf("fetching from %s: %w", r.url, refused(ctx, err))
	}
	body := io.Reader(resp)
	if req.Capabilities.Supports(capability.Sideband64k) {
		body = sideband.NewDemuxer(sideband.Sideband64k, resp)
	} else if req.Capabilities.Supports(capability.Sideband) {
		body = sideband.NewDemuxer(sideband.Sideband, resp)
	}
	err = use(body)
	err = errors.Join(err, resp.Close())
	if err != nil {
		return fmt.Errorf("fetching from %s: %w", r.url, refused(ctx, err))
	}
	return nil
}

// refused finds a server's "not our ref" in go-git's error, which keeps only
// its text.
func refused(ctx context.Context, err error) error {
	for _, words := range []string{"not our ref", "unadvertised object"} {
		if strings.Contains(err.Error(), words) {
			return fmt.Errorf("%w: %w", errRefused, err)
		}
	}
	return explain(ctx, err)
}

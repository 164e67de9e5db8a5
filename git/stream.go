package git

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/go-git/go-git/v5/plumbing/format/pktline"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/transport"
)

// Call is one run of the user's own git program.
type Call struct {
	Args   []string // without the program
	Dir    string   // where it runs; "" for anywhere
	Env    []string // KEY=VALUE, over the user's environment
	Stdin  io.Reader
	Stdout io.Writer
}

// session is one conversation with a git-upload-pack.
type session interface {
	AdvertisedReferencesContext(context.Context) (*packp.AdvRefs, error)
	UploadPack(context.Context, *packp.UploadPackRequest) (*packp.UploadPackResponse, error)
	io.Closer
}

// streamSession is a conversation over the stdin and stdout of a program: ssh,
// or git on this host. It serves one request.
type streamSession struct {
	in     *os.File // to the program
	out    *bufio.Reader
	file   *os.File // of out
	cancel context.CancelCauseFunc
	ended  chan error // the program's error, once
	refs   *packp.AdvRefs
	asked  bool
}

var _ session = (*streamSession)(nil)

// program runs a git-upload-pack until it ends.
type program func(ctx context.Context, stdin io.Reader, stdout io.Writer) error

// openStream starts the program and counts what it says in received. One that
// says nothing for as long as idle is ended.
func openStream(ctx context.Context, run program, idle time.Duration, received *atomic.Int64) (*streamSession, error) {
	inR, inW, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	outR, outW, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, inR.Close(), inW.Close())
	}
	ctx, cancel := context.WithCancelCause(ctx)
	s := &streamSession{in: inW, file: outR, cancel: cancel, ended: make(chan error, 1)}
	s.out = bufio.NewReaderSize(&idleReader{r: outR, idle: idle, cancel: cancel, received: received}, 1<<16)
	go func() {
		err := run(ctx, inR, outW)
		if idle, ok := errors.AsType[idleError](context.Cause(ctx)); ok {
			err = idle
		}
		s.ended <- errors.Join(err, inR.Close(), outW.Close())
	}()
	return s, nil
}

// AdvertisedReferencesContext reads what the program says first.
func (s *streamSession) AdvertisedReferencesContext(context.Context) (*packp.AdvRefs, error) {
	if s.refs != nil {
		return s.refs, nil
	}
	refs := packp.NewAdvRefs()
	if err := refs.Decode(s.out); err != nil {
		if line, ok := errors.AsType[*pktline.ErrorLine](err); ok {
			return nil, fmt.Errorf("the server says %q", line.Text)
		}
		if errors.Is(err, packp.ErrEmptyAdvRefs) {
			return nil, transport.ErrEmptyRemoteRepository
		}
		// A program that fails says nothing here: what it failed of says more.
		if failed := s.Close(); failed != nil {
			return nil, failed
		}
		return nil, err
	}
	if refs.IsEmpty() {
		return nil, transport.ErrEmptyRemoteRepository
	}
	transport.FilterUnsupportedCapabilities(refs.Capabilities)
	s.refs = refs
	return refs, nil
}

// UploadPack asks for a pack. The response is read to its end before Close.
func (s *streamSession) UploadPack(ctx context.Context, req *packp.UploadPackRequest) (*packp.UploadPackResponse, error) {
	if err := req.Validate(); err != nil {
		return nil, err
	}
	if _, err := s.AdvertisedReferencesContext(ctx); err != nil {
		return nil, err
	}
	if err := s.ask(req); err != nil {
		return nil, errors.Join(s.Close(), err)
	}
	resp := packp.NewUploadPackResponse(req)
	if err := resp.Decode(io.NopCloser(s.out)); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return resp, nil
}

func (s *streamSession) ask(req *packp.UploadPackRequest) error {
	s.asked = true
	err := req.UploadRequest.Encode(s.in)
	if err == nil {
		err = req.UploadHaves.Encode(s.in, true)
	}
	if err == nil {
		err = pktline.NewEncoder(s.in).EncodeString("done\n")
	}
	return errors.Join(err, s.in.Close())
}

// patience is how long a program that was told that all is over may take.
const patience = 5 * time.Second

// Close ends the program and waits for it. Its error is what the program
// failed of, unless nothing was asked of it.
func (s *streamSession) Close() error {
	if s.ended == nil {
		return nil
	}
	timer := time.AfterFunc(patience, func() { s.cancel(errClosed) })
	defer timer.Stop()
	unasked := s.refs != nil && !s.asked
	if !s.asked {
		_, _ = io.WriteString(s.in, "0000") // politely: nothing is wanted
		_ = s.in.Close()
	}
	// What it still says is little, unless the reader gave up in the middle.
	_, _ = io.CopyN(io.Discard, s.out, 1<<16)
	_ = s.file.Close()
	err := <-s.ended
	s.cancel(errClosed)
	s.ended = nil
	if unasked {
		return nil
	}
	return err
}

var errClosed = errors.New("the connection is closed")

// idleError says that a program sent nothing for the time given.
type idleError time.Duration

func (e idleError) Error() string {
	return fmt.Sprintf("the server sent nothing for %s", time.Duration(e))
}

// idleReader ends what brings no byte for so long.
type idleReader struct {
	r        io.Reader
	idle     time.Duration
	cancel   context.CancelCauseFunc
	received *atomic.Int64
}

func (r *idleReader) Read(p []byte) (int, error) {
	timer := time.AfterFunc(r.idle, func() { r.cancel(idleError(r.idle)) })
	n, err := r.r.Read(p)
	timer.Stop()
	r.received.Add(int64(n))
	return n, err
}

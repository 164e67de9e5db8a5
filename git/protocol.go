package git

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/protocol/packp/sideband"
	"github.com/go-git/go-git/v5/plumbing/transport"
)

// errVersion1 says that a server does not speak version 2 of the protocol.
var errVersion1 = errors.New("the server does not speak version 2 of git's protocol")

// pack2 is pack in version 2 of the protocol, which sends any object that is
// wanted by its SHA, as `git fetch URL SHA` relies on: go-git speaks the
// versions before it alone, in which a server sends what its refs reach at
// most. See gitprotocol-v2(5).
func (r *remote) pack2(ctx context.Context, w want, use func(io.Reader) error) error {
	base, caps, err := r.http.version2(ctx)
	if err != nil {
		return fmt.Errorf("negotiating version 2 with %s: %w", r.url, explain(ctx, err))
	}
	resp, err := r.http.do(ctx, base+"/"+transport.UploadPackServiceName, fetchCommand(w, caps))
	if err != nil {
		return fmt.Errorf("fetching from %s: %w", r.url, explain(ctx, err))
	}
	in := bufio.NewReaderSize(resp.Body, 1<<16)
	err = toPackfile(in)
	if err == nil {
		err = use(sideband.NewDemuxer(sideband.Sideband64k, in))
	}
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return fmt.Errorf("fetching from %s: %w", r.url, refused(ctx, err))
	}
	return nil
}

// version2 asks for the capabilities in version 2. The URL that answered, a
// redirect followed, is where commands go.
func (h *httpRemote) version2(ctx context.Context) (base string, caps []string, err error) {
	const refs = "/info/refs"
	resp, err := h.do(ctx, h.base+refs+"?service="+transport.UploadPackServiceName, nil)
	if err != nil {
		return "", nil, err
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	at := *resp.Request.URL
	path, ok := strings.CutSuffix(at.Path, refs)
	if !ok {
		return "", nil, errVersion1
	}
	at.Path, at.RawPath, at.RawQuery = path, "", ""
	in := bufio.NewReader(io.LimitReader(resp.Body, 1<<16))
	two := false
	for {
		line, kind, err := readPacket(in)
		text := strings.TrimSuffix(string(line), "\n")
		switch {
		case err != nil || !two && kind == packetLine && text != "version 2" && !strings.HasPrefix(text, "# service="):
			return "", nil, errVersion1
		case text == "version 2":
			two = true
		case two && kind == packetFlush:
			return at.String(), caps, nil
		case two:
			caps = append(caps, text)
		}
	}
}

// do sends one request in version 2; body is nil for a question. The caller
// closes what comes.
func (h *httpRemote) do(ctx context.Context, to string, body []byte) (*http.Response, error) {
	method := http.MethodGet
	if body != nil {
		method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(ctx, method, to, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Git-Protocol", "version=2")
	if body != nil {
		req.Header.Set("Content-Type", "application/x-git-upload-pack-request")
		req.Header.Set("Accept", "application/x-git-upload-pack-result")
	}
	// The secrets of one host are not another's: a redirect may have led there.
	if first, err := url.Parse(h.base); h.auth != nil && err == nil && req.URL.Host == first.Host && req.URL.Scheme == first.Scheme {
		h.auth.SetAuth(req)
	}
	resp, err := h.client.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, errors.Join(fmt.Errorf("%w: HTTP status %d", errVersion1, resp.StatusCode), resp.Body.Close())
	}
	return resp, nil
}

// fetchCommand is the command that asks for a pack.
func fetchCommand(w want, caps []string) []byte {
	var b bytes.Buffer
	line := func(format string, args ...any) {
		text := fmt.Sprintf(format+"\n", args...)
		fmt.Fprintf(&b, "%04x%s", len(text)+4, text)
	}
	line("command=fetch")
	if slices.Contains(caps, "object-format=sha1") {
		line("object-format=sha1")
	}
	b.WriteString("0001")
	if len(w.Haves) > 0 {
		line("thin-pack")
	}
	line("no-progress")
	line("ofs-delta")
	for _, h := range w.Shallows {
		line("shallow %s", h)
	}
	if w.Depth > 0 {
		line("deepen %d", w.Depth)
	}
	if w.Filter != "" {
		line("filter %s", w.Filter)
	}
	for _, h := range w.Hashes {
		line("want %s", h)
	}
	for _, h := range w.Haves {
		line("have %s", h)
	}
	line("done")
	b.WriteString("0000")
	return b.Bytes()
}

// toPackfile reads up to the pack: the sections before it tell nothing new.
func toPackfile(in *bufio.Reader) error {
	for {
		line, kind, err := readPacket(in)
		if err != nil {
			return err
		}
		text := strings.TrimSuffix(string(line), "\n")
		switch {
		case text == "packfile":
			return nil
		case strings.HasPrefix(text, "ERR "):
			return fmt.Errorf("the server says %q", text[len("ERR "):])
		case kind == packetFlush:
			return errors.New("the server sent no pack")
		}
	}
}

// packetKind tells a packet with content from those that only divide.
type packetKind int

const (
	packetLine packetKind = iota
	packetFlush
	packetDelimiter
)

// readPacket reads one pkt-line: see gitprotocol-common(5).
func readPacket(in *bufio.Reader) ([]byte, packetKind, error) {
	var head [4]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return nil, 0, err
	}
	n, err := strconv.ParseUint(string(head[:]), 16, 16)
	switch {
	case err != nil:
		return nil, 0, fmt.Errorf("%q is not a packet length", head)
	case n == 0, n == 2: // the end of a message, or of the whole response
		return nil, packetFlush, nil
	case n == 1:
		return nil, packetDelimiter, nil
	case n < 4:
		return nil, 0, fmt.Errorf("%q is not a packet length", head)
	}
	line := make([]byte, n-4)
	_, err = io.ReadFull(in, line)
	return line, packetLine, err
}

package index

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	"golang.org/x/net/html"
)

// longestToken bounds what is held of a page at once: a tag, a comment, a text
// or a script.
const longestToken = 1 << 20

// parseHTML reads a PEP 503 page as it arrives: every anchor is a file. What is
// malformed is read as browsers do, down to the last whole tag.
func parseHTML(at *url.URL, r io.Reader) ([]File, error) {
	z := html.NewTokenizer(r)
	z.SetMaxBuf(longestToken)
	p := htmlPage{base: at}
	for {
		switch z.Next() {
		case html.ErrorToken:
			if err := z.Err(); !errors.Is(err, io.EOF) {
				return nil, pageError(at, err)
			}
			if p.tags == 0 {
				return nil, &AnswerError{URL: Redact(at.String()), Msg: "it claims to be HTML, but has no tags"}
			}
			return p.files, nil
		case html.StartTagToken, html.SelfClosingTagToken:
			p.tag(z)
		case html.TextToken:
			p.text(string(z.Text()))
		default:
			p.anchor = nil
		}
	}
}

func pageError(at *url.URL, err error) error {
	if errors.Is(err, html.ErrBufferExceeded) {
		return &AnswerError{URL: Redact(at.String()), Msg: fmt.Sprintf("a tag, text or comment in it is longer than %d MiB", longestToken>>20)}
	}
	return answerError(at, err)
}

// htmlPage is what has been read of a page.
type htmlPage struct {
	base   *url.URL
	tags   int
	files  []File
	anchor map[string]string // attributes of the <a> that the next text is in
}

func (p *htmlPage) tag(z *html.Tokenizer) {
	p.tags++
	p.anchor = nil
	name, _ := z.TagName()
	switch string(name) {
	case "base":
		href := attributes(z)["href"]
		if u, err := p.base.Parse(href); err == nil && href != "" {
			p.base = u
		}
	case "a":
		p.anchor = attributes(z)
	}
}

// attributes are those of the tag at hand. The first of two with one name
// counts, as in HTML.
func attributes(z *html.Tokenizer) map[string]string {
	attrs := map[string]string{}
	for more := true; more; {
		var key, value []byte
		key, value, more = z.TagAttr()
		if _, taken := attrs[string(key)]; !taken && len(key) > 0 {
			attrs[string(key)] = string(value)
		}
	}
	return attrs
}

// text makes a file of <a href="URL#sha256=HEX" data-...>NAME.
func (p *htmlPage) text(text string) {
	attrs := p.anchor
	p.anchor = nil
	name := strings.TrimSpace(text)
	href, ok := attrs["href"]
	if !ok || !fileName(name) {
		return
	}
	u, err := p.base.Parse(href)
	if err != nil || !fetchable(u) {
		return
	}
	reason, isYanked := attrs["data-yanked"]
	algorithm, sum, _ := strings.Cut(u.Fragment, "=")
	if algorithm != "sha256" {
		sum = ""
	}
	p.files = append(p.files, File{
		Name: name, URL: bareURL(u), SHA256: sha256Hex(sum), RequiresPython: attrs["data-requires-python"],
		Yanked: isYanked, YankedReason: reason,
	})
}

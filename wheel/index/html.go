package index

import (
	"html"
	"io"
	"net/url"
	"strings"
)

// parseHTML reads a PEP 503 page: every anchor is a file. It looks at tags
// only, as much of HTML as such pages use: comments, <base href>, quoted,
// bare and empty attributes, character references.
func parseHTML(at *url.URL, r io.Reader) ([]File, error) {
	src, err := io.ReadAll(r)
	if err != nil {
		return nil, answerError(at, err)
	}
	var files []File
	base, tags := at, 0
	rest := string(src)
	for {
		t, after, ok := nextTag(rest)
		if !ok {
			break
		}
		tags++
		rest = after
		switch t.name {
		case "base":
			if u, err := at.Parse(t.attrs["href"]); err == nil && t.attrs["href"] != "" {
				base = u
			}
		case "a":
			text, _, _ := strings.Cut(rest, "<")
			if f, ok := anchor(base, t.attrs, text); ok {
				files = append(files, f)
			}
		case "script", "style":
			if i := strings.Index(strings.ToLower(rest), "</"+t.name); i >= 0 {
				rest = rest[i:]
			}
		}
	}
	if tags == 0 {
		return nil, &AnswerError{URL: Redact(at.String()), Msg: "it says that it is HTML, and holds no tag"}
	}
	return files, nil
}

// anchor makes a file of <a href="URL#sha256=HEX" data-...>NAME</a>.
func anchor(base *url.URL, attrs map[string]string, text string) (File, bool) {
	href, ok := attrs["href"]
	u, err := base.Parse(href)
	if !ok || err != nil || !fetchable(u) {
		return File{}, false
	}
	name := strings.TrimSpace(html.UnescapeString(text))
	if !fileName(name) {
		return File{}, false
	}
	reason, isYanked := attrs["data-yanked"]
	algorithm, sum, _ := strings.Cut(u.Fragment, "=")
	if algorithm != "sha256" {
		sum = ""
	}
	return File{
		Name: name, URL: bareURL(u), SHA256: sha256Hex(sum), RequiresPython: attrs["data-requires-python"],
		Yanked: isYanked, YankedReason: reason,
	}, true
}

// tag is an opening tag.
type tag struct {
	name  string
	attrs map[string]string
}

const space = " \t\r\n\f"

// nextTag finds the next opening tag of s and what stands after it.
func nextTag(s string) (t tag, rest string, ok bool) {
	for {
		i := strings.IndexByte(s, '<')
		if i < 0 {
			return tag{}, "", false
		}
		s = s[i+1:]
		if body, found := strings.CutPrefix(s, "!--"); found {
			_, after, closed := strings.Cut(body, "-->")
			if !closed {
				return tag{}, "", false
			}
			s = after
			continue
		}
		n := strings.IndexFunc(s, func(r rune) bool { return (r|0x20) < 'a' || (r|0x20) > 'z' })
		if n <= 0 {
			continue
		}
		t = tag{name: strings.ToLower(s[:n]), attrs: map[string]string{}}
		return t, attributes(s[n:], t.attrs), true
	}
}

// attributes reads up to the tag's > and returns what stands after it. The
// first of two attributes with one name counts, as in HTML.
func attributes(s string, attrs map[string]string) string {
	for {
		s = strings.TrimLeft(s, space+"/")
		if s == "" {
			return ""
		}
		if s[0] == '>' {
			return s[1:]
		}
		n := strings.IndexAny(s[1:], space+"/>=") + 1
		if n == 0 {
			return ""
		}
		key := strings.ToLower(s[:n])
		s = strings.TrimLeft(s[n:], space)
		value := ""
		if after, found := strings.CutPrefix(s, "="); found {
			value, s = attributeValue(strings.TrimLeft(after, space))
		}
		if _, taken := attrs[key]; !taken {
			attrs[key] = html.UnescapeString(value)
		}
	}
}

func attributeValue(s string) (value, rest string) {
	if s == "" {
		return "", ""
	}
	if s[0] == '"' || s[0] == '\'' {
		value, rest, _ = strings.Cut(s[1:], s[:1])
		return value, rest
	}
	n := strings.IndexAny(s, space+">")
	if n < 0 {
		return s, ""
	}
	return s[:n], s[n:]
}

package index

import (
	"bytes"
	"crypto/md5"  //nolint:gosec // an index may give no other
	"crypto/sha1" //nolint:gosec // the same
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/sparkwheel/sparkwheel/requirements/marker"
	"github.com/sparkwheel/sparkwheel/wheel"
)

// Unhashed are the files that a target needs and that the lock has no sha256
// of, as where an index gives md5 alone. Select refuses them.
func (p *Pylock) Unhashed(tags []wheel.Tag, env marker.Environment) []File {
	s := selection{env: env, rank: rank(tags)}
	var files []File
	for _, pkg := range p.Packages {
		if f, ok := s.choose(pkg); ok && f.SHA256 == "" {
			files = append(files, f)
		}
	}
	return files
}

// hasher knows the algorithms of Python indexes that a file can be held against.
func hasher(algorithm string) (hash.Hash, bool) {
	switch algorithm {
	case "md5":
		return md5.New(), true
	case "sha1":
		return sha1.New(), true
	case "sha224":
		return sha256.New224(), true
	case "sha384":
		return sha512.New384(), true
	case "sha512":
		return sha512.New(), true
	}
	return nil, false
}

// CheckOther holds the file at path against the hashes other than sha256 that
// an index gave; a *MismatchError says that one is another. Algorithms that are
// not known are left aside.
func (f File) CheckOther(path string) error {
	for algorithm, want := range f.Hashes {
		h, ok := hasher(strings.ToLower(algorithm))
		if !ok {
			continue
		}
		in, err := os.Open(path)
		if err != nil {
			return err
		}
		_, err = io.Copy(h, in)
		if err := errors.Join(err, in.Close()); err != nil {
			return err
		}
		if got := hex.EncodeToString(h.Sum(nil)); !strings.EqualFold(got, want) {
			return &MismatchError{File: f.Name, URL: f.URL, Algorithm: algorithm, Want: want, Got: got}
		}
	}
	return nil
}

// AddSHA256 returns a pylock's text with the sha256 of the file that it has at a
// URL added; every other byte stays. The file stands in an inline table, as uv
// writes it; in another form it is an error.
func AddSHA256(src []byte, url, sum string) ([]byte, error) {
	quoted := []byte("url = " + strconv.Quote(url))
	at := bytes.Index(src, quoted)
	if at < 0 {
		return nil, fmt.Errorf("the lock has no file at %s", Redact(url))
	}
	if bytes.Contains(src[at+1:], quoted) {
		return nil, fmt.Errorf("the lock has the file at %s twice", Redact(url))
	}
	end := closing(src, at)
	if end < 0 {
		return nil, fmt.Errorf("the file at %s is not in an inline table", Redact(url))
	}
	entry := "sha256 = " + strconv.Quote(sum)
	const key = "hashes = {"
	i := bytes.Index(src[at:end], []byte(key))
	if i < 0 {
		end = at + len(bytes.TrimRight(src[at:end], " "))
		return slices.Concat(src[:end], []byte(", hashes = { "+entry+" }"), src[end:]), nil
	}
	in := at + i + len(key)
	if bytes.HasPrefix(bytes.TrimLeft(src[in:], " "), []byte("}")) {
		entry += " "
	} else {
		entry += ","
	}
	return slices.Concat(src[:in], []byte(" "+entry), src[in:]), nil
}

// closing is where the inline table ends in which at stands, -1 where it ends
// in none.
func closing(src []byte, at int) int {
	depth := 0
	for i := at; i < len(src); i++ {
		switch src[i] {
		case '"':
			for i++; i < len(src) && src[i] != '"'; i++ {
				if src[i] == '\\' {
					i++
				}
			}
		case '{':
			depth++
		case '}':
			if depth == 0 {
				return i
			}
			depth--
		case '\n':
			return -1
		}
	}
	return -1
}

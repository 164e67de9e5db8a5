package wheel

import (
	"crypto"
	"encoding/base64"
	"encoding/csv"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strconv"
	"strings"

	_ "crypto/sha256" // RECORD may use SHA-256 or anything stronger
	_ "crypto/sha512"
)

// Entry is one row of RECORD.
type Entry struct {
	// Path is as written: relative to the directory that holds the dist-info.
	Path string
	// Hash is as written, "sha256=…" in URL-safe base64 without padding, or "".
	Hash string
	// Size is in bytes, -1 where the row has none.
	Size int64
}

// Record is a RECORD file (PEP 376, PEP 627): one row a file.
type Record []Entry

var errHash = errors.New("the hash is not of the form sha256=BASE64")

// hashes are the algorithms that the specification allows: sha256 or better.
var hashes = []struct {
	name string
	hash crypto.Hash
}{{"sha256", crypto.SHA256}, {"sha384", crypto.SHA384}, {"sha512", crypto.SHA512}}

// Sum is the algorithm and digest that Hash spells; its error says what is
// wrong with it. An entry without a hash gives 0, nil, nil.
func (e Entry) Sum() (crypto.Hash, []byte, error) {
	if e.Hash == "" {
		return 0, nil, nil
	}
	name, text, ok := strings.Cut(e.Hash, "=")
	if !ok {
		return 0, nil, errHash
	}
	for _, h := range hashes {
		if h.name != strings.ToLower(name) {
			continue
		}
		sum, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(text, "="))
		if err != nil || len(sum) != h.hash.Size() {
			return 0, nil, errHash
		}
		return h.hash, sum, nil
	}
	return 0, nil, fmt.Errorf("the hash algorithm %q is not one of sha256, sha384, sha512", name)
}

// HashEntry is the row of a file with this SHA-256 and size.
func HashEntry(path string, sha256 hash.Hash, size int64) Entry {
	return Entry{path, "sha256=" + base64.RawURLEncoding.EncodeToString(sha256.Sum(nil)), size}
}

// ParseRecord reads a RECORD file row by row. Its error names the line. It
// reads CSV as Python's csv module writes it; rows have three fields.
func ParseRecord(r io.Reader) (Record, error) { return parseRecord(r, nil) }

// parseRecord appends to record, whose capacity the caller may know.
func parseRecord(r io.Reader, record Record) (Record, error) {
	c := csv.NewReader(r)
	c.FieldsPerRecord = 3
	c.ReuseRecord = true
	for {
		row, err := c.Read()
		if errors.Is(err, io.EOF) {
			return record, nil
		}
		if err != nil {
			return nil, fmt.Errorf("parsing RECORD: %w", err)
		}
		if len(record) == maxRows {
			return nil, fmt.Errorf("parsing RECORD: more than %d rows", maxRows)
		}
		e := Entry{Path: row[0], Hash: row[1], Size: -1}
		if row[2] != "" {
			if e.Size, err = strconv.ParseInt(row[2], 10, 64); err != nil || e.Size < 0 {
				line, _ := c.FieldPos(2)
				return nil, fmt.Errorf("parsing RECORD: line %d: size %q of %q is not a number of bytes", line, row[2], row[0])
			}
		}
		// The strings of a row share one allocation; a hash keeps its path alive
		// and the other way round, so nothing is wasted.
		record = append(record, e)
	}
}

// Sort brings the rows into the order in which uv writes them: by path, byte
// by byte, then hash, then size.
func (r Record) Sort() {
	slices.SortFunc(r, func(a, b Entry) int {
		if c := strings.Compare(a.Path, b.Path); c != 0 {
			return c
		}
		if c := strings.Compare(a.Hash, b.Hash); c != 0 {
			return c
		}
		return int(max(-1, min(1, a.Size-b.Size)))
	})
}

// Append appends the rows to b as CSV with LF line ends, quoting a field only
// where it must be.
func (r Record) Append(b []byte) []byte {
	for _, e := range r {
		b = appendField(b, e.Path)
		b = append(b, ',')
		b = appendField(b, e.Hash)
		b = append(b, ',')
		if e.Size >= 0 {
			b = strconv.AppendInt(b, e.Size, 10)
		}
		b = append(b, '\n')
	}
	return b
}

func appendField(b []byte, s string) []byte {
	if !strings.ContainsAny(s, ",\"\r\n") {
		return append(b, s...)
	}
	b = append(b, '"')
	b = append(b, strings.ReplaceAll(s, `"`, `""`)...)
	return append(b, '"')
}

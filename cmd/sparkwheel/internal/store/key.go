package store

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"regexp"
)

// Key names an entry by all that it was made from. The zero Key is no key.
type Key struct {
	sum    string
	salt   string
	fields []Field
}

// Field is one input of a key, as it is kept beside the entry to explain a miss.
type Field struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	// Input says that Value names what the entry is made of: an entry is not
	// needed when that is not.
	Input bool `json:"input,omitempty"`
}

// maxValue is how much of a field's value is kept in words; of longer ones the
// start of their digest is kept, which names nothing in the store.
const maxValue = 16 << 10

// Hash gathers the fields of a Key.
type Hash struct {
	salt   string
	sum    hash.Hash
	fields []Field
}

// NewHash begins a key. Keys of different salts never meet: salt names the work
// ("wheel vllm"), so that a miss can be told from that work's last entry.
func NewHash(salt string) *Hash {
	h := &Hash{salt: salt, sum: sha256.New()}
	h.write("sparkwheel key 1")
	h.write(salt)
	return h
}

// Field adds an input. Order counts, and so do names: ("ab", "c") and
// ("a", "bc") are different fields.
func (h *Hash) Field(name, value string) *Hash {
	h.write(name)
	h.write(value)
	if len(value) > maxValue {
		value = fmt.Sprintf("%d bytes, sha256 %.16x...", len(value), sha256.Sum256([]byte(value)))
	}
	h.fields = append(h.fields, Field{Name: name, Value: value})
	return h
}

// Input is Field for the digest of a thing that the entry is made of, which may
// lie outside the store: cleaning that keeps what a lock needs keeps the entry
// only where the lock needs, or another such entry made, that thing.
func (h *Hash) Input(name, digest string) *Hash {
	h.Field(name, digest)
	h.fields[len(h.fields)-1].Input = true
	return h
}

func (h *Hash) write(s string) {
	h.sum.Write(binary.BigEndian.AppendUint64(nil, uint64(len(s))))
	h.sum.Write([]byte(s))
}

// Key is the key of the fields so far.
func (h *Hash) Key() Key {
	return Key{hex.EncodeToString(h.sum.Sum(nil)), h.salt, append([]Field(nil), h.fields...)}
}

// String is the key as 64 hex digits, an entry's name in the store.
func (k Key) String() string { return k.sum }

var hexDigest = regexp.MustCompile(`^(?:sha256:)?([0-9a-f]{64})$`)

// DigestKey is the key of an entry that is named by the digest of the one thing
// it is made from (a base image, a tool's archive): 64 hex digits, with or
// without "sha256:".
func DigestKey(digest string) (Key, error) {
	m := hexDigest.FindStringSubmatch(digest)
	if m == nil {
		return Key{}, fmt.Errorf("reading %q as a digest: it is not 64 lower-case hex digits", digest)
	}
	return Key{sum: m[1]}, nil
}

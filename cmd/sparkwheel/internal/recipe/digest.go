package recipe

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// meaning is the digest of what a recipe's texts say. Comments, white space, the
// order of keys and the way in which a value is written change nothing. It
// depends on the texts alone: a later sparkwheel that knows more keys finds the
// same.
func meaning(parts []*part) (string, error) {
	var all bytes.Buffer
	to := json.NewEncoder(&all) // sorts the keys of tables
	for _, p := range parts {
		if err := to.Encode(p.given); err != nil {
			return "", fmt.Errorf("digesting what it says: %w", err)
		}
	}
	return digest(all.Bytes()), nil
}

// digestOf covers the text of every part; of one part it is that of its text.
func digestOf(parts []*part) string {
	if len(parts) == 1 {
		return digest(parts[0].text)
	}
	var all []byte
	for _, p := range parts {
		all = fmt.Appendln(all, digest(p.text))
	}
	return digest(all)
}

// Made reports whether a lock with that recipe digest was made from what the
// recipe says now.
func (r *Recipe) Made(recipeDigest string) bool {
	return recipeDigest == r.Digest || recipeDigest == r.TextDigest
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

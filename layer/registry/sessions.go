package registry

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
)

// session is an unfinished upload as it lies on disk. The location may hold a
// signed state that is as good as a password for this upload: mode 0600.
type session struct {
	Repository string `json:"repository"`
	Digest     string `json:"digest"`
	Location   string `json:"location"`
	Offset     int64  `json:"offset"`
}

// sessionFile is empty when nothing is to be remembered.
func (u *upload) sessionFile() string {
	dir := u.push.c.opt.Sessions
	if dir == "" || u.ways[0] == single || u.mute {
		return ""
	}
	sum := sha256.Sum256([]byte(u.to.host + "/" + u.to.repo + "@" + u.source.digest.String()))
	return filepath.Join(dir, hex.EncodeToString(sum[:16])+".json")
}

// recall takes up a session that an earlier run left. A file that cannot be
// used is as good as none: the upload starts again.
func (u *upload) recall() {
	file := u.sessionFile()
	if file == "" {
		return
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return
	}
	var s session
	if json.Unmarshal(b, &s) != nil || s.Repository != u.to.host+"/"+u.to.repo || s.Digest != u.source.digest.String() ||
		s.Offset < 0 || s.Offset > u.source.size {
		return
	}
	// The file may be another user's, or from before: the same rules hold as
	// for an address that the registry gives now.
	base, err := u.to.base()
	if err != nil {
		return
	}
	loc, err := u.to.location(base, s.Location)
	if err != nil {
		return
	}
	u.location, u.offset, u.resumed, u.unsure = loc, s.Offset, true, true
}

// remember writes where the upload stands, after each answer of the registry.
// That it cannot be written costs a resume, never the push.
func (u *upload) remember() {
	file := u.sessionFile()
	if file == "" {
		return
	}
	b, err := json.Marshal(session{u.to.host + "/" + u.to.repo, u.source.digest.String(), u.location, u.offset})
	if err != nil || os.MkdirAll(filepath.Dir(file), 0o700) != nil {
		return
	}
	_ = renameio.WriteFile(file, b, 0o600, renameio.WithTempDir(filepath.Dir(file)))
}

func (u *upload) forget() {
	if file := u.sessionFile(); file != "" {
		os.Remove(file)
	}
}

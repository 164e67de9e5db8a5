package registry

import (
	"errors"
	"net/http"
	"slices"
)

// adapt changes how the upload goes on after a refusal: another way of
// sending, smaller chunks, a fresh session. It returns whether to try at once.
func (u *upload) adapt(err error) bool {
	e, ok := errors.AsType[*StatusError](err)
	if !ok || u.location == "" || errors.Is(err, errRenewed) || e.Status < 400 || temporary(err) {
		return false
	}
	switch {
	case e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden:
		return false
	case e.Status == http.StatusRequestEntityTooLarge:
		// A proxy that limits requests: smaller ones may pass.
		if u.ways[0] != chunked || u.chunk <= smallBlob {
			return false
		}
		u.chunk = max(u.chunk/4, smallBlob)
		return true
	case u.resumed, u.committing && u.ways[0] != single:
		// The session did not hold what it promised: one more from the start.
		return u.restart(1)
	case e.Status == http.StatusRequestedRangeNotSatisfiable && u.offset > 0 && !u.doubted:
		u.doubted, u.unsure = true, true
		return true
	case u.offset > 0 && (e.Status == http.StatusNotFound || e.Status == http.StatusGone):
		return u.restart(u.push.c.opt.Attempts)
	case slices.Contains([]int{400, 404, 405, 411, 415, 416, 422, 501}, e.Status) && len(u.ways) > 1:
		u.ways = u.ways[1:]
		u.abandon()
		return true
	}
	return false
}

func (u *upload) restart(limit int) bool {
	if u.restarts >= limit {
		return false
	}
	u.restarts++
	u.abandon()
	return true
}

func (e *endpoint) alsoReads(repo string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, m := range e.mounts {
		if m == repo {
			return
		}
	}
	e.mounts = append(e.mounts, repo)
	// The token in hand does not cover it: the registry asks for another.
}

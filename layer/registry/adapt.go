package registry

import (
	"errors"
	"net/http"
	"slices"
)

// sureChunk is what every registry known takes with a Content-Range: GHCR
// answers 416 to more.
const sureChunk = 4 << 20

// adapt changes how the upload goes on after a refusal: another way of
// sending, smaller chunks, a fresh session. It returns whether to try at once.
func (u *upload) adapt(err error) bool {
	e, ok := errors.AsType[*StatusError](err)
	if !ok || u.location == "" || e.Status < 400 || e.Temporary() {
		return false
	}
	switch {
	case e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden:
		return false
	case e.Status == http.StatusRequestEntityTooLarge:
		// A proxy that limits requests: smaller ones may pass.
		return u.smaller(max(u.chunk/4, smallBlob))
	case u.committing && u.ways[0] != single:
		// The session did not hold what it promised.
		if !u.disturbed && !u.resumed {
			u.next(streamed)
		}
		return u.restart(1)
	case u.resumed:
		return u.restart(1)
	case e.Status == http.StatusRequestedRangeNotSatisfiable && u.offset > 0 && !u.doubted:
		u.doubted, u.unsure = true, true
		return true
	case e.Status == http.StatusRequestedRangeNotSatisfiable && u.offset == 0 && u.smaller(sureChunk):
		u.abandon()
		return true
	case u.offset > 0 && (e.Status == http.StatusNotFound || e.Status == http.StatusGone):
		return u.restart(u.push.c.opt.Attempts)
	case slices.Contains([]int{400, 404, 405, 411, 415, 416, 422, 501}, e.Status) && len(u.ways) > 1:
		to := u.ways[1]
		if e.Status == http.StatusMethodNotAllowed && u.ways[0] == chunked {
			to = single // PATCH it is that the registry does not know
		}
		u.next(to)
		u.abandon()
		return true
	}
	return false
}

// smaller goes on with chunks of n bytes, if that is less than until now.
func (u *upload) smaller(n int64) bool {
	if u.ways[0] != chunked || u.chunk <= n {
		return false
	}
	u.chunk, u.first, u.growing = n, n, false
	u.to.learn(knowledge{chunk: n})
	return true
}

// next goes on with another way of sending, for good.
func (u *upload) next(to way) {
	i := slices.Index(u.ways, to)
	if i <= 0 {
		return
	}
	u.ways = u.ways[i:]
	if u.source.size > smallBlob {
		u.to.learn(knowledge{way: to})
	}
}

func (u *upload) restart(limit int) bool {
	if u.restarts >= limit {
		return false
	}
	u.restarts++
	u.abandon()
	return true
}

// knowledge is what one upload learned of a repository for those that follow.
type knowledge struct {
	chunk int64 // the largest that was not refused; 0 when none was
	way   way
}

func (e *endpoint) learn(k knowledge) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.known = k
}

func (e *endpoint) learned() knowledge {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.known
}

// alsoReads has the next token cover a repository to mount from: the one in
// hand does not, so that the registry asks for another.
func (e *endpoint) alsoReads(repo string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !slices.Contains(e.mounts, repo) && !slices.Contains(e.closed, repo) {
		e.mounts = append(e.mounts, repo)
	}
}

// readsNot has the next token leave out a repository that may not be read: a
// token server may refuse all that is asked for with it.
func (e *endpoint) readsNot(repo string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.mounts = slices.DeleteFunc(e.mounts, func(m string) bool { return m == repo })
	e.closed = append(e.closed, repo)
}

package registry

import (
	"net/http"
	"time"
)

// taken is where the upload stands after a chunk of n bytes that the registry
// accepted. The specification leaves open what the Range of such an answer
// means, and products differ: one that has a part of the chunk is believed; one
// that contradicts what was sent is not (Amazon ECR's stays at the end of the
// first chunk, Aliyun's is that of this chunk), and the digest decides at the end.
func (u *upload) taken(h http.Header, n int64) int64 {
	want := u.offset + n
	got, ok := received(h)
	switch {
	case !ok || got == want:
	case u.offset < got && got < want && u.ways[0] == chunked:
		return got
	default:
		u.mute = true
	}
	return want
}

// quick is how long a chunk may take for the next to be twice as large: what a
// cut can cost then stays a matter of seconds, and a registry on a fast network
// has fewer chunks to sync to its disk, one after the other.
const quick = time.Second

// grow doubles the chunk after one of n bytes that was quick.
func (u *upload) grow(n int64, took time.Duration) {
	if u.growing && n == u.chunk && took < quick {
		u.chunk = min(2*u.chunk, 16*u.first)
	}
}

// now is the zero time for a client without a clock, whose chunks stay as they are.
func (u *upload) now() time.Time {
	if now := u.push.c.opt.Now; now != nil {
		return now()
	}
	return time.Time{}
}

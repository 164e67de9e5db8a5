package registry

import (
	"net/http"
	"testing"
	"time"
)

// TestTaken holds whose word counts after a chunk of 5 bytes at byte 10.
func TestTaken(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		ways  []way
		value string
		want  int64
		mute  bool
	}{
		{[]way{chunked}, "", 15, false},
		{[]way{chunked}, "0-14", 15, false},
		{[]way{chunked}, "0-13", 14, false},
		{[]way{chunked}, "0-10", 11, false},
		{[]way{chunked}, "0-9", 15, true},
		{[]way{chunked}, "0-15", 15, true},
		{[]way{streamed}, "0-13", 15, true},
		{[]way{streamed}, "0-14", 15, false},
	} {
		u := &upload{ways: tt.ways, offset: 10}
		if got := u.taken(http.Header{"Range": {tt.value}}, 5); got != tt.want || u.mute != tt.mute {
			t.Errorf("%v, %q: %d, mute %t, want %d, %t", tt.ways, tt.value, got, u.mute, tt.want, tt.mute)
		}
	}
}

func TestGrow(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		chunk, n int64
		took     time.Duration
		growing  bool
		want     int64
	}{
		{10, 10, quick - 1, true, 20},
		{10, 10, quick, true, 10},
		{10, 10, 0, false, 10},
		{10, 9, 0, true, 10},
		{80, 80, 0, true, 160},
		{100, 100, 0, true, 160},
		{160, 160, 0, true, 160},
	} {
		u := &upload{chunk: tt.chunk, first: 10, growing: tt.growing}
		if u.grow(tt.n, tt.took); u.chunk != tt.want {
			t.Errorf("%+v: chunks of %d", tt, u.chunk)
		}
	}
}

// TestSmaller goes down, never up, and by chunks alone.
func TestSmaller(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		ways []way
		n    int64
		ok   bool
	}{
		{[]way{chunked, streamed}, 9, true},
		{[]way{chunked, streamed}, 10, false},
		{[]way{chunked, streamed}, 11, false},
		{[]way{streamed}, 9, false},
	} {
		u := &upload{to: &endpoint{}, ways: tt.ways, chunk: 10, first: 10, growing: true}
		if got := u.smaller(tt.n); got != tt.ok || got && (u.chunk != tt.n || u.first != tt.n || u.growing || u.to.learned().chunk != tt.n) || !got && u.chunk != 10 {
			t.Errorf("%+v: %t, %d, %d, %t", tt, got, u.chunk, u.first, u.growing)
		}
	}
}

// TestNewUpload chooses how to send by size, and by what the uploads before it
// learned.
func TestNewUpload(t *testing.T) {
	t.Parallel()
	now := func() time.Time { return time.Time{} }
	for _, tt := range []struct {
		size    int64
		now     func() time.Time
		known   knowledge
		first   way
		ways    int
		chunk   int64
		growing bool
	}{
		{smallBlob, nil, knowledge{}, single, 2, 100, false},
		{smallBlob + 1, nil, knowledge{}, chunked, 3, 100, false},
		{smallBlob + 1, now, knowledge{}, chunked, 3, 100, true},
		{smallBlob + 1, now, knowledge{chunk: 50}, chunked, 3, 50, false},
		{smallBlob + 1, now, knowledge{chunk: 150}, chunked, 3, 100, false},
		{smallBlob + 1, now, knowledge{way: streamed}, streamed, 2, 100, true},
		{smallBlob + 1, now, knowledge{way: single}, single, 1, 100, true},
		{smallBlob, now, knowledge{way: single}, single, 2, 100, true},
	} {
		p := &push{c: &Client{opt: Options{Chunk: 100, Now: tt.now}}, to: &endpoint{known: tt.known}}
		u := newUpload(p, source{size: tt.size})
		if u.ways[0] != tt.first || len(u.ways) != tt.ways || u.chunk != tt.chunk || u.first != tt.chunk || u.growing != tt.growing {
			t.Errorf("%d bytes, known %+v: %v, chunks of %d, growing %t", tt.size, tt.known, u.ways, u.chunk, u.growing)
		}
	}
}

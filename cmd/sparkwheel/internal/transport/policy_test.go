package transport

import (
	"net/http"
	"testing"
	"time"
)

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	const date = "Mon, 02 Jan 2006 15:04:05 GMT"
	tests := []struct {
		after, date string
		want        time.Duration
	}{
		{"5", "", 5 * time.Second},
		{" 5 ", "", 5 * time.Second},
		{"-5", "", 0},
		{"99999999999", "", (1 << 31) * time.Second},
		{"Mon, 02 Jan 2006 15:05:05 GMT", date, time.Minute},
		{"Monday, 02-Jan-06 15:05:05 GMT", date, time.Minute},
		{"Mon, 02 Jan 2006 15:03:05 GMT", date, 0},
		{"Mon, 02 Jan 2006 15:05:05 GMT", "", 0},
		{"soon", date, 0},
	}
	for _, tt := range tests {
		if got := retryAfter(http.Header{"Retry-After": {tt.after}, "Date": {tt.date}}); got != tt.want {
			t.Errorf("%q at %q: %s, want %s", tt.after, tt.date, got, tt.want)
		}
	}
}

package progress

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
)

// line is an event as JSON shows it.
type line struct {
	Time    string  `json:"time"`
	Stage   string  `json:"stage"`
	Event   string  `json:"event"`
	Seconds float64 `json:"seconds"`
	Text    string  `json:"text,omitempty"`
	Done    *int64  `json:"done,omitempty"`
	Total   *int64  `json:"total,omitempty"`
	Log     string  `json:"log,omitempty"`
}

type jsonLines struct {
	enc *json.Encoder
	err error
}

// JSON shows each event as one line of JSON with the keys time (RFC 3339),
// stage, event (the kind), seconds (since the stage's start) and, where there
// are such, text, done and total (bytes; no total when it is not known), log.
func JSON(w io.Writer) Display {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return &jsonLines{enc: enc}
}

func (j *jsonLines) Report(e stage.Event) {
	l := line{
		Time: e.Time.UTC().Format(time.RFC3339Nano), Stage: e.Stage, Event: string(e.Kind),
		Seconds: e.Elapsed.Seconds(), Text: e.Text, Log: e.Log,
	}
	if e.Kind == stage.Progress {
		l.Done = &e.Done
		if e.Total > 0 {
			l.Total = &e.Total
		}
	}
	if err := j.enc.Encode(l); err != nil && j.err == nil {
		j.err = fmt.Errorf("writing the progress: %w", err)
	}
}

func (j *jsonLines) Close() error { return j.err }

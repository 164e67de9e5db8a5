package stage

import "time"

// Kind says what an Event tells.
type Kind string

// The kinds of events. A stage's events come in this order: one Start, any
// number of Log, Note, Hit and Progress, then one of Done, Failed and Canceled.
// A stage that another's failure kept from starting has no event at all.
const (
	Start    Kind = "start"
	Log      Kind = "log"      // Text is one line that the stage wrote
	Note     Kind = "note"     // Text is something the user should see
	Hit      Kind = "hit"      // the result was in the store; Text says why it is still good
	Progress Kind = "progress" // Done of Total bytes, or of Total things
	Done     Kind = "done"     // Elapsed is how long the stage ran
	Failed   Kind = "failed"   // Text is the cause; Elapsed as for Done
	Canceled Kind = "canceled" // stopped because another stage failed or the run was interrupted
)

// Event is one thing that happened to a stage.
type Event struct {
	Kind    Kind
	Stage   string
	Time    time.Time     // when, by the graph's clock
	Elapsed time.Duration // since the stage's start, for every kind
	Text    string        // without line end or control characters
	Done    int64
	Total   int64  // 0 when it is not known
	Log     string // the stage's log file, "" when none was written
}

// Reporter hears all events of a graph. Report is called by one goroutine at a
// time and must not call back into the graph; a slow Report slows the stages.
type Reporter interface {
	Report(Event)
}

// Package progress shows the events of a stage graph as they happen: Terminal
// with moving bars, Lines for logs and pipes, JSON for programs, None for nobody.
package progress

import "github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"

// Display is a Reporter that shows what it hears. Close ends it, shows what is
// still held back, and gives the first error of writing; nothing may be
// reported after it.
type Display interface {
	stage.Reporter
	Close() error
}

// None shows nothing.
type None struct{}

var _ Display = None{}

// Report does nothing.
func (None) Report(stage.Event) {}

// Close does nothing.
func (None) Close() error { return nil }

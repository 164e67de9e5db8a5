package host

import (
	"fmt"
)

// OfflineError says that something would have to be brought while --offline
// forbids it.
type OfflineError struct{ What string }

func (e *OfflineError) Error() string {
	return fmt.Sprintf("%s is not cached and --offline forbids downloading it; run `sparkwheel fetch` without --offline", e.What)
}

// DamagedError says that a file of the store has another size than the lock
// pins.
type DamagedError struct {
	File      string
	Got, Want int64
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("the cached %s is damaged (%d bytes of %d)", e.File, e.Got, e.Want)
}

// NotLockedError names something that the recipe asks for and the lock lacks.
type NotLockedError struct{ What string }

func (e *NotLockedError) Error() string {
	return "missing in the lock: " + e.What + "; run `sparkwheel lock`"
}

package host

import (
	"fmt"
)

// OfflineError says that something would have to be brought while --offline
// forbids it.
type OfflineError struct{ What string }

func (e *OfflineError) Error() string {
	return fmt.Sprintf("%s is not in the store and --offline forbids fetching it; run `sparkwheel fetch` while there is a network", e.What)
}

// DamagedError says that a file of the store has another size than the lock
// pins.
type DamagedError struct {
	File      string
	Got, Want int64
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("%s is damaged in the store (%d bytes of %d)", e.File, e.Got, e.Want)
}

// NotLockedError names something that the recipe asks for and the lock lacks.
type NotLockedError struct{ What string }

func (e *NotLockedError) Error() string {
	return "the lock does not hold " + e.What + "; run `sparkwheel lock`"
}

package main

import (
	"errors"
	"fmt"
)

// The exit codes that scripts rely on.
const (
	codeDone        = 0
	codeFailed      = 1
	codeUsage       = 2
	codeFaults      = 3
	codeNotLocked   = 4
	codeNetwork     = 5   // the network or another server failed
	codeDisk        = 6   // a disk is full or cannot be written
	codeInterrupted = 130 // by another signal 128 and its number
)

// codeError is an error that knows the exit code it ends the run with.
type codeError struct {
	code int
	err  error
}

func (e *codeError) Error() string { return e.err.Error() }
func (e *codeError) Unwrap() error { return e.err }

// usageErrorf is an error of the call or the recipe: exit 2.
func usageErrorf(format string, args ...any) error {
	return &codeError{codeUsage, fmt.Errorf(format, args...)}
}

// faultsErrorf says that a check found faults: exit 3.
func faultsErrorf(format string, args ...any) error {
	return &codeError{codeFaults, fmt.Errorf(format, args...)}
}

// notLockedErrorf says that the lock does not cover what was asked: exit 4.
func notLockedErrorf(format string, args ...any) error {
	return &codeError{codeNotLocked, fmt.Errorf(format, args...)}
}

func exitCode(err error) int {
	if e, ok := errors.AsType[*codeError](err); ok {
		return e.code
	}
	return codeFailed
}

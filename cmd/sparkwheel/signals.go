package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
)

// signalError is the cause of a context that a signal ended.
type signalError struct{ signal syscall.Signal }

func (e *signalError) Error() string { return e.signal.String() + " received" }

// signalled ends a context at the first interrupt, termination or hangup, with a
// *signalError as its cause. The second one kills at once: it finds the default
// handler again. A signal that was ignored when the program began, as nohup does
// with a hangup, stays ignored. The caller calls stop.
func signalled(parent context.Context) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(parent)
	arrived := make(chan os.Signal, 1)
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP} {
		if !signal.Ignored(s) {
			signal.Notify(arrived, s)
		}
	}
	go func() {
		select {
		case s := <-arrived:
			signal.Stop(arrived)
			number, _ := s.(syscall.Signal)
			cancel(&signalError{number})
		case <-ctx.Done():
			signal.Stop(arrived)
		}
	}()
	return ctx, func() { cancel(context.Canceled) }
}

// interruptCode is the exit code of a run whose context has ended: 128 and the
// number of the signal, as of a program that the signal ended.
func interruptCode(ctx context.Context) int {
	if e, ok := errors.AsType[*signalError](context.Cause(ctx)); ok {
		return 128 + int(e.signal)
	}
	return codeInterrupted
}

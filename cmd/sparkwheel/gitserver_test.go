package main

import (
	"net/http/httptest"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/sparkwheel/sparkwheel/git/gittest"
)

// gitServer is the script command `gitserver DIR`: it serves the repositories
// below DIR over smart HTTP and sets $GITURL to the server's URL.
func gitServer(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: gitserver DIR")
	}
	h, err := gittest.Handler(ts.MkAbs(args[0]))
	ts.Check(err)
	s := httptest.NewServer(h)
	ts.Defer(s.Close)
	ts.Setenv("GITURL", s.URL)
}

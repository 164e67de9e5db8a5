package main

import (
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sparkwheel/sparkwheel/git/gittest"
)

// gitServer is the script command `gitserver DIR [USER:PASSWORD]`: it serves
// the repositories below DIR over smart HTTP, to everybody or to this user, and
// sets $GITURL to the server's URL.
func gitServer(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: gitserver DIR [USER:PASSWORD]")
	}
	h, err := gittest.Handler(ts.MkAbs(args[0]))
	ts.Check(err)
	if len(args) == 2 {
		h = guarded(h, args[1])
	}
	s := httptest.NewServer(h)
	ts.Defer(s.Close)
	ts.Setenv("GITURL", s.URL)
}

func guarded(h http.Handler, want string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		if strings.Join([]string{user, password}, ":") != want {
			w.Header().Set("WWW-Authenticate", "Basic")
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		h.ServeHTTP(w, r)
	})
}

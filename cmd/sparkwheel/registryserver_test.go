package main

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/rogpeppe/go-internal/testscript"
)

// registryServer is the script command `registry NAME [USER:PASSWORD]`: an empty
// registry, for everybody or for this user, whose address is $NAME.
func registryServer(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: registry NAME [USER:PASSWORD]")
	}
	var h http.Handler = registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	if len(args) == 2 {
		h = guarded(h, args[1])
	}
	s := httptest.NewServer(h)
	ts.Defer(s.Close)
	ts.Setenv(args[0], strings.TrimPrefix(s.URL, "http://"))
}

package main

import (
	"fmt"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
)

// result prints what a command made: the document with --json, else the line.
func (a *app) result(document any, line string) error {
	if !a.json {
		_, err := fmt.Fprintln(a.Stdout, line)
		return err
	}
	return host.WriteJSON(a.Stdout, document)
}

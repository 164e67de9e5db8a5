package main

import (
	"encoding/json"
	"fmt"
)

// result prints what a command made: the document with --json, else the line.
func (a *app) result(document any, line string) error {
	if !a.json {
		_, err := fmt.Fprintln(a.Stdout, line)
		return err
	}
	enc := json.NewEncoder(a.Stdout)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(document)
}

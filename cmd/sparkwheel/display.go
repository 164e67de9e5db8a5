package main

import (
	"os"

	"golang.org/x/term"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/progress"
)

// display shows stages on stderr as --progress asks; auto moves only where
// someone can see it move. The caller closes it before it prints the result.
func (a *app) display() progress.Display {
	file, _ := a.Stderr.(*os.File)
	tty := file != nil && term.IsTerminal(int(file.Fd()))
	mode := a.progress
	if mode == "auto" {
		mode = "plain"
		if tty && a.Getenv("TERM") != "dumb" && a.Getenv("CI") == "" {
			mode = "tty"
		}
	}
	switch mode {
	case "none":
		return progress.None{}
	case "json":
		return progress.JSON(a.Stderr)
	case "tty":
		width := 80
		if tty {
			if w, _, err := term.GetSize(int(file.Fd())); err == nil && w > 0 {
				width = w
			}
		}
		return progress.Terminal(a.Stderr, width, a.verbose)
	}
	return progress.Lines(a.Stderr, a.verbose)
}

package main

import "github.com/spf13/cobra"

// commands lists every command, each built in a file of its own.
func (a *app) commands() []*cobra.Command {
	return []*cobra.Command{
		a.lockCommand(),
		a.buildCommand(),
		a.layerCommand(),
		a.versionCommand(),
	}
}

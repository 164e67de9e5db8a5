package main

import "github.com/spf13/cobra"

// commands lists every command, each built in a file of its own.
func (a *app) commands() []*cobra.Command {
	return []*cobra.Command{
		a.lockCommand(),
		a.fetchCommand(),
		a.planCommand(),
		a.buildCommand(),
		a.layerCommand(),
		a.rewriteCommand(),
		a.sourceCommand(),
		a.cacheCommand(),
		a.copyCommand(),
		a.serveCommand(),
		a.doctorCommand(),
		a.verifyCommand(),
		a.versionCommand(),
		a.wheelCommand(),
		a.imageCommand(),
	}
}

package main

import (
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// programVersion is the module's version as the Go linker recorded it.
func programVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of sparkwheel",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(a.Stdout, "sparkwheel", programVersion())
			return err
		},
	}
}

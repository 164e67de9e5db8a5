package main

import "github.com/spf13/cobra"

func (a *app) layerCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "layer",
		Short: "Turn wheels into image layers, push and inspect them",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.layerBuildCommand(), a.layerPushCommand(), a.layerLsCommand(), a.layerDiffCommand())
	return cmd
}

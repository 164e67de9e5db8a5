package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/wheel"
	"github.com/sparkwheel/sparkwheel/wheel/builder"
)

// repaired is what `wheel repair --json` says of one file.
type repaired struct {
	File     string `json:"file"`
	Repaired string `json:"repaired"` // the path; that of the file where nothing was wrong
}

func (a *app) wheelRepairCommand() *cobra.Command {
	var out string
	var inPlace bool
	cmd := &cobra.Command{
		Use:   "repair FILE...",
		Short: "Rewrite wheels of your own build so that they are valid",
		Long: `Writes each wheel again with the same files and corrects what surrounds them:
RECORD, the archive and, where they disagree, the name and version (METADATA
decides) and the tags (the file name decides). It is for wheels of your own build:
only the builder of a wheel knows whether its files are what they should be.

What cannot be repaired (paths that leave the wheel, damaged content, a METADATA
that cannot be read) is listed, with exit code 3. The wheel goes to -o DIR under
its right name; --in-place replaces the file instead. The path goes to stdout.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if inPlace && cmd.Flags().Changed("output") {
				return usageErrorf("give --in-place or -o, not both")
			}
			return a.wheelRepair(cmd.Context(), args, out, inPlace)
		},
	}
	cmd.Flags().StringVarP(&out, "output", "o", "repaired", "write to `DIR`")
	cmd.Flags().BoolVar(&inPlace, "in-place", false, "replace the files")
	return cmd
}

func (a *app) wheelRepair(ctx context.Context, files []string, out string, inPlace bool) error {
	var all []repaired
	for _, file := range files {
		to, err := repairOne(ctx, file, out, inPlace)
		if errors.Is(err, builder.ErrSound) {
			fmt.Fprintf(a.Stderr, "%s: nothing to repair\n", file)
			to, err = file, nil
		}
		if isError[*wheel.VerifyError](err) || isError[*wheel.FilenameError](err) {
			return faultsErrorf("%w", err)
		}
		if err != nil {
			return err
		}
		all = append(all, repaired{file, to})
	}
	if a.json {
		if len(all) == 1 {
			return host.WriteJSON(a.Stdout, all[0])
		}
		return host.WriteJSON(a.Stdout, all)
	}
	for _, r := range all {
		if _, err := fmt.Fprintln(a.Stdout, r.Repaired); err != nil {
			return err
		}
	}
	return nil
}

func repairOne(ctx context.Context, file, out string, inPlace bool) (string, error) {
	if inPlace {
		out = filepath.Dir(file)
	} else if err := os.MkdirAll(out, 0o777); err != nil {
		return "", err
	}
	to, err := builder.Repair(ctx, file, out)
	if err == nil && inPlace && filepath.Clean(to) != filepath.Clean(file) {
		err = os.Remove(file) // it has another name now
	}
	return to, err
}

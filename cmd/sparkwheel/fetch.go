package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/pipeline"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/store"
)

func (a *app) fetchCommand() *cobra.Command {
	var flags overrideFlags
	var reg registryFlags
	var out, bundle string
	cmd := &cobra.Command{
		Use:   "fetch [--bundle DIR]",
		Short: "Download everything in the lock to the store or a bundle, and verify it",
		Long: "Download everything in the lock to the store and verify it; what is cached is not downloaded again.\n" +
			"With --bundle, DIR becomes a store that another host builds from without a network, with the recipe's\n" +
			"own files and a lock that says where they are:\n" +
			"  sparkwheel build --offline --store DIR --lock DIR/sparkwheel.lock",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.runFetch(cmd.Context(), out, bundle, &flags, &reg)
		},
	}
	flags.register(cmd)
	reg.register(cmd)
	cmd.Flags().StringVarP(&out, "output", "o", "out", "`DIR` that holds the lock of an embedded recipe")
	registerLocked(cmd, new(bool)) // as ever: a fetch makes no lock
	cmd.Flags().StringVar(&bundle, "bundle", "", "make `DIR` a store for a host without a network")
	return cmd
}

// fetchDocument is the --json document of fetch.
type fetchDocument struct {
	Store    string `json:"store"`
	Files    int    `json:"files"`
	Bytes    int64  `json:"bytes"`
	Received int64  `json:"bytes_received"`
	Bundle   string `json:"bundle,omitempty"`
}

func (a *app) runFetch(ctx context.Context, out, bundle string, flags *overrideFlags, reg *registryFlags) error {
	req, err := a.lockedTargets(out, flags, nil)
	if err != nil {
		return err
	}
	reg.loginAt(flags.base)
	if req.Env, err = a.openEnv(reg); err != nil {
		return err
	}
	defer req.Env.Store.Close()
	got, err := a.fetch(ctx, req)
	if err != nil {
		return classify(ctx, err)
	}
	doc := fetchDocument{Store: req.Env.Store.Dir, Files: got.Files, Bytes: got.Bytes, Received: got.Received}
	line := fmt.Sprintf("%s, %s, of which %s downloaded now, in %s", host.Count(got.Files, "file"), store.Size(got.Bytes), store.Size(got.Received), req.Env.Store.Dir)
	if bundle != "" {
		if err := pipeline.Bundle(ctx, req, bundle, got); err != nil {
			return classify(ctx, err)
		}
		doc.Bundle, line = bundle, bundle
	}
	return a.result(doc, line)
}

func (a *app) fetch(ctx context.Context, req pipeline.Request) (*pipeline.Fetched, error) {
	g := &stage.Graph{Logs: a.logs(req.Env), Clock: time.Now}
	part, s, err := pipeline.Fetch(g, req)
	if err != nil {
		return nil, err
	}
	if err := a.runGraph(ctx, part); err != nil {
		return nil, err
	}
	return s.Value(), nil
}

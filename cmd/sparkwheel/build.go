package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/spf13/cobra"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/image"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/pipeline"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/record"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/requirements"
	"github.com/sparkwheel/sparkwheel/requirements/excerpt"
)

type buildFlags struct {
	overrideFlags
	out     string
	push    string
	sandbox string
	locked  bool
	strict  image.Strictness
	reg     registryFlags
}

func (a *app) buildCommand() *cobra.Command {
	var f buildFlags
	cmd := &cobra.Command{
		Use:   "build [TARGET...]",
		Short: "Build the recipe's wheels and image from the lock",
		Long: "Build the recipe's wheels and image from the lock; if there is none, write it first: next to the\n" +
			"recipe's file, or to DIR for an embedded recipe. If the recipe has changed since, lock what the change\n" +
			"touches and report each new pin. With --locked or --offline, both are refused (exit 4).\n" +
			"A TARGET is the name of a wheel or of a [[build]] in the recipe, `wheels` or `image` (the default: everything).",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.runBuild(cmd.Context(), &f, args)
		},
	}
	f.register(cmd)
	cmd.Flags().StringVarP(&f.out, "output", "o", "out", "`DIR` for image, wheels, debs, build.json")
	cmd.Flags().StringVar(&f.push, "push", "", "push the image to `IMAGE`")
	registerLocked(cmd, &f.locked)
	registerSandbox(cmd, &f.sandbox)
	registerStrictness(cmd, &f.strict)
	f.reg.register(cmd)
	return cmd
}

// registerLocked adds --locked.
func registerLocked(cmd *cobra.Command, locked *bool) {
	cmd.Flags().BoolVar(locked, "locked", false, "exit 4 if the lock is missing or does not fit the recipe, and never write one")
}

// registerSandbox adds --sandbox.
func registerSandbox(cmd *cobra.Command, mode *string) {
	cmd.Flags().StringVar(mode, "sandbox", "namespaces", "`namespaces|none`: none runs upstream code unconfined and is recorded")
}

// registerStrictness adds --allow and --complete.
func registerStrictness(cmd *cobra.Command, s *image.Strictness) {
	cmd.Flags().StringArrayVar(&s.Allow, "allow", nil, "accept a version of distribution `NAME` that does not satisfy the requirements (repeatable; recorded)")
	cmd.Flags().BoolVar(&s.Complete, "complete", false, "refuse an image in which a required distribution is missing")
	cmd.Flags().BoolVar(&s.NoReplace, "no-replace", false, "refuse wheels of distributions that the base already has, instead of replacing them")
}

func (a *app) runBuild(ctx context.Context, f *buildFlags, targets []string) error {
	started := time.Now()
	r, o, err := a.recipeAndOverride(&f.overrideFlags)
	if err != nil {
		return err
	}
	if len(r.Missing) > 0 {
		return usageErrorf("recipe %s cannot be built yet; still missing:\n  - %s\nuse `-r empty`, or a recipe of your own without these", r.Name, strings.Join(r.Missing, "\n  - "))
	}
	names, image, err := chooseTargets(r, targets)
	if err != nil {
		return err
	}
	if f.push != "" && !image {
		return usageErrorf("--push needs the image, but the targets are %s", strings.Join(targets, ", "))
	}
	f.reg.loginAt(registryImage(f.push), f.base)
	env, err := a.openEnv(&f.reg)
	if err != nil {
		return err
	}
	defer env.Store.Close()
	if env.Sandbox, err = sandboxMode(f.sandbox); err != nil {
		return err
	}
	if err := env.Buildable(r); err != nil {
		return classify(ctx, err)
	}
	l, err := a.lockForBuild(ctx, env, wanted{recipe: r, override: o, out: f.out, locked: f.locked})
	if err != nil {
		return classify(ctx, err)
	}
	res, err := a.build(ctx, f.push, pipeline.Request{
		Env: env, Recipe: r, Lock: l, Wheels: names, Image: image, Strict: f.strict, Output: f.out,
	})
	if err != nil {
		return classify(ctx, err)
	}
	return a.finishBuild(f, res, started)
}

// build runs the build that is requested and, with a target, pushes the image.
func (a *app) build(ctx context.Context, push string, req pipeline.Request) (*pipeline.Result, error) {
	display := a.display()
	var hear stage.Reporter = display
	if push != "" {
		tag, err := pushTarget(push)
		if err != nil {
			return nil, err
		}
		bars := newPushBars(display)
		hear = bars
		req.Push = &pipeline.Push{Target: push, Send: func(ctx context.Context, img v1.Image) error {
			_, err := bars.push(ctx, req.Env.Registry, tag, img)
			return err
		}}
	}
	g := &stage.Graph{Logs: a.logs(req.Env), Clock: time.Now}
	s, err := pipeline.Build(g, req)
	if err != nil {
		return nil, err
	}
	err = g.Run(ctx, a.jobs, hear)
	if err = errors.Join(err, display.Close()); err != nil {
		return nil, err
	}
	return s.Value(), nil
}

// chooseTargets reads the command's targets; nil names mean every wheel.
func chooseTargets(r *recipe.Recipe, targets []string) (names []string, image bool, err error) {
	if len(targets) == 0 {
		return nil, true, lacking(r, nil)
	}
	known := []string{"wheels", "image"}
	for _, b := range r.Builds {
		known = append(known, b.Name)
	}
	for _, w := range r.Wheels {
		known = append(known, w.Name)
	}
	for _, t := range targets {
		if !slices.Contains(known, t) {
			return nil, false, usageErrorf("recipe %s has no target %q; it has %s", r.Name, t, strings.Join(known, ", "))
		}
	}
	if slices.Contains(targets, "image") {
		return nil, true, lacking(r, nil)
	}
	if slices.Contains(targets, "wheels") {
		return nil, false, lacking(r, nil)
	}
	return targets, false, lacking(r, targets)
}

// lacking is the error of targets that cannot be built yet, as the recipe says of
// them or of a build that they need; nil targets are all.
func lacking(r *recipe.Recipe, targets []string) error {
	missing := r.Lacking(targets)
	if len(missing) == 0 {
		return nil
	}
	other := "the recipe has no other target"
	if free := r.Free(); len(free) > 0 {
		other = "other targets of the recipe can be built: " + strings.Join(free, ", ")
	}
	return usageErrorf("recipe %s cannot build this yet:\n  - %s\n%s", r.Name, strings.Join(missing, "\n  - "), other)
}

// buildDocument is the --json document of build.
type buildDocument struct {
	Image   string                `json:"image,omitempty"`
	Digest  string                `json:"digest,omitempty"`
	Wheels  []fileDocument        `json:"wheels"`
	Debs    []fileDocument        `json:"debs,omitempty"`
	Commits map[string]string     `json:"commits"`
	Changes []requirements.Change `json:"changes"`
	Seconds float64               `json:"seconds"`
}

type fileDocument struct {
	File   string `json:"file"`
	SHA256 string `json:"sha256"`
}

func (a *app) finishBuild(f *buildFlags, res *pipeline.Result, started time.Time) error {
	doc := buildDocument{Wheels: []fileDocument{}, Commits: map[string]string{}, Changes: []requirements.Change{}}
	for _, w := range res.Wheels {
		doc.Wheels = append(doc.Wheels, fileDocument{w.File, w.SHA256})
	}
	for _, d := range res.Debs {
		doc.Debs = append(doc.Debs, fileDocument{filepath.Base(d.Path), d.SHA256})
	}
	for _, s := range res.Record.Sources {
		doc.Commits[s.Name] = s.Commit
		doc.Changes = append(doc.Changes, s.Changes...)
	}
	a.sayChanges(res.Record)
	line := filepath.Join(f.out, "wheels")
	if len(res.Wheels) == 0 && len(res.Debs) > 0 {
		line = filepath.Join(f.out, "debs")
	}
	if res.Image != nil {
		digest, err := res.Image.Digest()
		if err != nil {
			return err
		}
		doc.Image, doc.Digest, line = "oci:"+filepath.Join(f.out, "image"), digest.String(), digest.String()
	}
	if f.push != "" {
		doc.Image = f.push
	}
	doc.Seconds = time.Since(started).Seconds()
	if err := writeReport(f.out, doc, a.store); err != nil {
		return err
	}
	return a.result(doc, line)
}

func (a *app) sayChanges(rec *record.Record) {
	for _, s := range rec.Sources {
		for _, c := range s.Changes {
			after := excerpt.Of(strings.TrimSpace(c.After))
			if after == "" {
				after = "(dropped)"
			}
			fmt.Fprintf(a.Stderr, "changed %s %s:%d: %s -> %s\n", s.Name, c.File, c.Line, excerpt.Of(strings.TrimSpace(c.Before)), after)
		}
		for _, l := range s.Left {
			fmt.Fprintf(a.Stderr, "note: %s %s:%d: left %q as it is (%s): %s\n", s.Name, l.File, l.Line, excerpt.Of(l.Text), l.Rule, l.Reason)
		}
		for _, rule := range s.Unmatched {
			fmt.Fprintf(a.Stderr, "note: rule %s matched nothing in %s\n", rule, s.Name)
		}
	}
}

// writeReport leaves what depends on this run and this host, which has no
// place in build.json.
func writeReport(dir string, doc buildDocument, store string) error {
	var text bytes.Buffer
	if err := host.WriteJSON(&text, map[string]any{"build": doc, "store": store}); err != nil {
		return err
	}
	return host.WriteFile(filepath.Join(dir, "build-report.json"), text.Bytes())
}

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sparkwheel/sparkwheel/wheel/index"
)

// demo is one run.
type demo struct {
	dir, sparkwheel, base string
	serve                 bool
	out                   io.Writer

	git, registry *server
	log           *os.File
}

const image = "sparkwheel/vllm:demo"

func (d *demo) say(format string, args ...any) { fmt.Fprintf(d.out, format+"\n", args...) }

func (d *demo) run(ctx context.Context) (err error) {
	began := time.Now()
	if err := d.absolute(); err != nil {
		return err
	}
	if err := os.MkdirAll(d.dir, 0o755); err != nil {
		return err
	}
	if d.log, err = os.Create(d.in("servers.log")); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.log.Close()) }()
	defer func() { err = errors.Join(err, d.stop()) }()
	var digest string
	var commits map[string]string
	for _, step := range []struct {
		title string
		do    func() error
	}{
		{"Sources and base: real vLLM and FlashInfer releases as git repositories, a small root with Python", func() (err error) { commits, err = d.inputs(ctx); return err }},
		{"Servers: git and a registry on loopback", d.start},
		{"Build: fixed refs to wheels to an image, pushed", func() (err error) { digest, err = d.build(ctx); return err }},
		{"Proof: the image, pulled back, answers for itself", func() error { return d.prove(ctx, digest, commits) }},
	} {
		start := time.Now()
		d.say("\n== %s", step.title)
		if err := step.do(); err != nil {
			return err
		}
		d.say("   %.1f s", time.Since(start).Seconds())
	}
	d.close(digest, time.Since(began))
	if d.serve {
		d.say("\nServing until ^C. In another terminal, for example:")
		d.say("  %s source describe --mirror %s=http://%s/ %svllm-project/vllm main", d.short(d.sparkwheel), forge, d.git.address, forge)
		d.say("  skopeo inspect --tls-verify=false docker://%s/%s", d.registry.address, image)
		<-ctx.Done()
	}
	return nil
}

func (d *demo) in(parts ...string) string { return filepath.Join(append([]string{d.dir}, parts...)...) }

// inputs makes the repositories and the base side by side, and returns which
// commit each marker file of the image must hold.
func (d *demo) inputs(ctx context.Context) (commits map[string]string, err error) {
	if err := prepare(ctx, d.base == "", d.say); err != nil {
		return nil, err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return d.makeBase(ctx) })
	g.Go(func() (err error) {
		commits, err = d.sources(ctx)
		return err
	})
	err = g.Wait()
	return commits, err
}

func (d *demo) sources(ctx context.Context) (map[string]string, error) {
	c, err := indexClient()
	if err != nil {
		return nil, err
	}
	if err := repositories(ctx, c, d.in("cache"), d.in("git"), d.say); err != nil {
		return nil, err
	}
	commits := map[string]string{}
	for _, p := range projects() {
		r := repository{half: bare(d.in("git"), p.repository)}
		out, err := r.command(ctx, "rev-parse", p.tag()+"^{commit}").Output()
		if err != nil {
			return nil, fmt.Errorf("resolving %s of %s: %w; remove %s and try again", p.tag(), p.repository, err, d.in("git"))
		}
		_, short, _ := strings.Cut(p.repository, "/")
		commits["."+short+"-commit"] = strings.TrimSpace(string(out))
	}
	return commits, nil
}

// indexClient asks the index that the user has set up for uv or pip.
func indexClient() (*index.Client, error) {
	s := index.Settings{
		UVDefaultIndex: os.Getenv("UV_DEFAULT_INDEX"), UVIndexURL: os.Getenv("UV_INDEX_URL"), PIPIndexURL: os.Getenv("PIP_INDEX_URL"),
	}
	for _, path := range index.PipConfPaths(os.Getenv("HOME"), os.Getenv("XDG_CONFIG_HOME"), os.Getenv("PIP_CONFIG_FILE")) {
		data, err := os.ReadFile(path)
		if err == nil {
			s.PipConf = append(s.PipConf, index.ConfFile{Name: path, Data: data})
		}
	}
	url, _, err := s.Index()
	return &index.Client{Index: url}, err
}

func (d *demo) makeBase(ctx context.Context) error {
	if d.base != "" {
		d.say("  base %s, as given", d.base)
		return nil
	}
	file := d.in("base.tar")
	d.base = "tar:" + file
	if _, err := os.Stat(file); err == nil {
		d.say("  base %s exists", d.short(file))
		return nil
	}
	start := time.Now()
	if err := makeBase(ctx, file); err != nil {
		return err
	}
	d.say("  base %s by mmdebstrap in %.1f s", d.short(file), time.Since(start).Seconds())
	return nil
}

func (d *demo) start() error {
	h, err := gitHandler(d.in("git"))
	if err != nil {
		return err
	}
	if d.git, err = start(h); err != nil {
		return err
	}
	// The registry's blobs are only good for as long as it runs: it keeps
	// manifests in memory.
	if err := errors.Join(os.RemoveAll(d.in("registry")), os.MkdirAll(d.in("registry"), 0o755)); err != nil {
		return err
	}
	if d.registry, err = start(registryHandler(d.in("registry"))); err != nil {
		return err
	}
	d.say("  git       http://%s/ stands in for %s", d.git.address, forge)
	d.say("  registry  %s", d.registry.address)
	return nil
}

func (d *demo) stop() error {
	var errs []error
	for _, s := range []*server{d.git, d.registry} {
		if s != nil {
			errs = append(errs, s.stop())
		}
	}
	return errors.Join(errs...)
}

// build runs sparkwheel as a user would and returns the image's digest.
func (d *demo) build(ctx context.Context) (string, error) {
	if err := os.RemoveAll(d.in("out")); err != nil {
		return "", err
	}
	args := []string{
		"build", "-r", "empty", "--ref", "vllm=v0.22.1", "--ref", "flashinfer=v0.6.12",
		"--base", d.base, "--mirror", forge + "=http://" + d.git.address + "/",
		"--store", d.in("store"), "-o", d.in("out"), "--push", d.registry.address + "/" + image,
	}
	d.say("  $ %s %s\n", d.short(d.sparkwheel), strings.Join(d.shortAll(args), " "))
	var digest bytes.Buffer
	cmd := exec.CommandContext(ctx, d.sparkwheel, args...)
	cmd.Stdout, cmd.Stderr = &digest, os.Stderr
	// A second interrupt kills sparkwheel at once: in a process group of its
	// own it hears of ^C from here alone.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	cmd.WaitDelay = 15 * time.Second
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("running sparkwheel: %w", err)
	}
	return strings.TrimSpace(digest.String()), nil
}

func (d *demo) prove(ctx context.Context, digest string, commits map[string]string) error {
	repository, _, _ := strings.Cut(image, ":")
	pinned := d.registry.address + "/" + repository + "@" + digest
	img, err := pullBack(ctx, pinned, d.in("root"))
	if err != nil {
		return fmt.Errorf("pulling %s back: %w", pinned, err)
	}
	a, err := ask(ctx, img, d.in("root"))
	if err != nil {
		return err
	}
	d.say("  Python %s in %s says:", a.Python, pinned)
	for _, i := range a.Distributions {
		d.say("    %-18s %-14s %5d files, all as in RECORD; installed by %s from %s", i.Name, i.Version, i.Files, i.Installer, i.URL)
	}
	for _, file := range slices.Sorted(maps.Keys(commits)) {
		d.say("    %-18s %s", file, a.Commits[file])
	}
	return a.check(commits)
}

// close says what was made, where, and what to try next.
func (d *demo) close(digest string, took time.Duration) {
	out := func(name string) string { return d.short(d.in("out", name)) }
	lock := "--lock " + out("sparkwheel.lock")
	sparkwheel, store, bundle := d.short(d.sparkwheel), d.short(d.in("store")), d.short(d.in("bundle"))
	d.say("\n== Done in %.0f s", took.Seconds())
	for _, line := range [][2]string{
		{"image", digest},
		{"layout", out("image") + "   (any OCI tool reads it: skopeo inspect oci:" + out("image") + ")"},
		{"wheels", out("wheels")},
		{"record", out("build.json") + "   what went in, and every requirement that was changed"},
		{"lock", out("sparkwheel.lock") + "   the same inputs on any other day"},
		{"root", d.short(d.in("root")) + "   the image, unpacked"},
	} {
		d.say("  %-8s %s", line[0], line[1])
	}
	d.say("\nTry next (%s):", map[bool]string{false: "git server and registry are stopped; none of this needs them", true: "git server and registry run until ^C"}[d.serve])
	for _, line := range [][2]string{
		{"what is in the image", sparkwheel + " layer ls oci:" + out("image")},
		{"what is left to do: nothing", sparkwheel + " plan -r empty " + lock + " --store " + store},
		{"all inputs in one directory, for a host without a network", sparkwheel + " fetch -r empty " + lock + " --store " + store + " --bundle " + bundle},
		{"there: the same digest, built again", sparkwheel + " build -r empty " + lock + " --store " + bundle + " --offline -o " + d.short(d.in("again"))},
		{"whether this host can build for a GB10", sparkwheel + " doctor"},
		{"leave git server and registry running, to build other refs", "make demo SERVE=1"},
	} {
		d.say("  # %s\n  %s", line[0], line[1])
	}
}

// short writes a path as it is seen from where the demo was started.
func (d *demo) short(path string) string {
	wd, err := os.Getwd()
	if err != nil {
		return path
	}
	rel, err := filepath.Rel(wd, path)
	if err != nil || strings.HasPrefix(rel, "..") {
		return path
	}
	return rel
}

func (d *demo) shortAll(args []string) []string {
	var all []string
	for _, a := range args {
		if kind, path, ok := strings.Cut(a, ":"); ok && filepath.IsAbs(path) {
			a = kind + ":" + d.short(path)
		} else if filepath.IsAbs(a) {
			a = d.short(a)
		}
		all = append(all, a)
	}
	return all
}

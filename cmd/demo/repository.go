package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/sparkwheel/sparkwheel/wheel/index"
)

const forge = "https://github.com/"

// repositories makes the bare repositories of all projects and their
// submodules below dir, as dir/OWNER/NAME.git. What is there is kept.
func repositories(ctx context.Context, c *index.Client, cache, dir string, say func(string, ...any)) error {
	for _, p := range projects() {
		if _, err := os.Stat(bare(dir, p.repository)); err == nil {
			say("  %s %s is there\n", p.repository, p.tag())
			continue
		}
		start := time.Now()
		sdist, err := fetchSdist(ctx, c, p, cache)
		if err != nil {
			return err
		}
		if err := p.makeRepositories(ctx, sdist, dir); err != nil {
			return fmt.Errorf("making the repository of %s: %w", p.repository, err)
		}
		say("  %s %s, %d submodules (%.1f s)\n", p.repository, p.tag(), len(p.submodules), time.Since(start).Seconds())
	}
	return nil
}

func bare(dir, repository string) string {
	return filepath.Join(dir, filepath.FromSlash(repository)+".git")
}

// makeRepositories turns an sdist into its project's repository and those of
// its submodules. The project's own comes last: it stands for all.
func (p project) makeRepositories(ctx context.Context, sdist, dir string) (err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(dir, ".making-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	tree, modules := filepath.Join(tmp, "tree"), filepath.Join(tmp, "modules")
	if err := os.Mkdir(tree, 0o755); err != nil {
		return err
	}
	if err := unpackSdist(ctx, sdist, tree, p); err != nil {
		return err
	}
	if err := p.moveOut(tree, modules); err != nil {
		return err
	}
	links := map[string]string{}
	for _, s := range p.submodules {
		r := repository{dir: filepath.Join(modules, filepath.FromSlash(s.repository)), date: p.released}
		commit, err := r.commit(ctx, s.repository+" as "+p.repository+" "+p.tag()+" has it", nil)
		if err != nil {
			return err
		}
		if err := r.publish(ctx, bare(dir, s.repository)); err != nil {
			return err
		}
		links[s.path] = commit
	}
	if err := p.writeGitmodules(tree); err != nil {
		return err
	}
	r := repository{dir: tree, date: p.released}
	if _, err := r.commit(ctx, p.repository+" "+p.version, links); err != nil {
		return err
	}
	if err := r.git(ctx, "tag", "-a", "-m", p.tag(), p.tag()); err != nil {
		return err
	}
	return r.publish(ctx, bare(dir, p.repository))
}

func (p project) writeGitmodules(tree string) error {
	if len(p.submodules) == 0 {
		return nil
	}
	var b strings.Builder
	for _, s := range p.submodules {
		fmt.Fprintf(&b, "[submodule %q]\n\tpath = %s\n\turl = %s%s.git\n", s.path, s.path, forge, s.repository)
	}
	return os.WriteFile(filepath.Join(tree, ".gitmodules"), []byte(b.String()), 0o644)
}

// repository is a work tree in which git runs with a fixed author and date and
// no configuration but its own: the commits are the same everywhere.
type repository struct {
	dir  string
	date time.Time
}

// commit records all files of the tree, ignored ones too, with links as its
// submodules (path to commit), on branch main.
func (r repository) commit(ctx context.Context, message string, links map[string]string) (string, error) {
	steps := [][]string{
		{"init", "-q", "-b", "main"},
		{"-c", "core.autocrlf=false", "add", "-f", "-A", "."},
	}
	for path, commit := range links {
		steps = append(steps, []string{"update-index", "--add", "--cacheinfo", "160000," + commit + "," + path})
	}
	steps = append(steps, []string{"commit", "-q", "--no-verify", "-m", message})
	for _, args := range steps {
		if err := r.git(ctx, args...); err != nil {
			return "", err
		}
	}
	out, err := r.command(ctx, "rev-parse", "HEAD").Output()
	return strings.TrimSpace(string(out)), err
}

// publish makes the bare repository that the server offers, with what
// upstream's forge allows: partial clones, and commits asked for by name.
func (r repository) publish(ctx context.Context, to string) error {
	half := to + ".part"
	if err := errors.Join(os.RemoveAll(half), os.RemoveAll(to), os.MkdirAll(filepath.Dir(to), 0o755)); err != nil {
		return err
	}
	if err := r.git(ctx, "clone", "-q", "--bare", "--no-hardlinks", ".", half); err != nil {
		return err
	}
	b := repository{dir: half, date: r.date}
	for _, args := range [][]string{
		{"remote", "remove", "origin"},
		{"config", "uploadpack.allowFilter", "true"},
		{"config", "uploadpack.allowAnySHA1InWant", "true"},
		{"repack", "-q", "-a", "-d"},
		{"pack-refs", "--all"},
		{"update-server-info"},
	} {
		if err := b.git(ctx, args...); err != nil {
			return err
		}
	}
	return os.Rename(half, to)
}

func (r repository) git(ctx context.Context, args ...string) error {
	if out, err := r.command(ctx, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("git %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

func (r repository) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = r.dir
	date := r.date.Format(time.RFC3339)
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "LC_ALL=C", "TZ=UTC",
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_TERMINAL_PROMPT=0",
		"GIT_AUTHOR_NAME=sparkwheel demo", "GIT_AUTHOR_EMAIL=demo@sparkwheel.invalid", "GIT_AUTHOR_DATE=" + date,
		"GIT_COMMITTER_NAME=sparkwheel demo", "GIT_COMMITTER_EMAIL=demo@sparkwheel.invalid", "GIT_COMMITTER_DATE=" + date,
	}
	return cmd
}

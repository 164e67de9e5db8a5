package main

import (
	"archive/tar"
	"bufio"
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
	"time"

	"github.com/sparkwheel/sparkwheel/wheel/index"
)

const forge = "https://github.com/"

// repositories makes the bare repositories of all projects and their
// submodules below dir, as dir/OWNER/NAME.git. What is there is kept.
func repositories(ctx context.Context, c *index.Client, cache, dir string, say func(string, ...any)) error {
	for _, p := range projects() {
		if _, err := os.Stat(bare(dir, p.repository)); err == nil {
			say("  %s %s exists", p.repository, p.tag())
			continue
		}
		start := time.Now()
		sdist, err := fetchSdist(ctx, c, p, cache)
		if err != nil {
			return err
		}
		fetched := time.Since(start)
		files, err := p.makeRepositories(ctx, sdist, dir)
		if err != nil {
			return fmt.Errorf("making the repository of %s: %w", p.repository, err)
		}
		say("  %s %s: %d files, %d submodules; sdist in %.1f s, repositories in %.1f s",
			p.repository, p.tag(), files, len(p.submodules), fetched.Seconds(), (time.Since(start) - fetched).Seconds())
	}
	return nil
}

func bare(dir, repository string) string {
	return filepath.Join(dir, filepath.FromSlash(repository)+".git")
}

// makeRepositories turns an sdist into its project's repository and those of
// its submodules, and returns the number of files. The project's own gets its
// name last: it stands for all.
func (p project) makeRepositories(ctx context.Context, sdist, dir string) (files int, err error) {
	own, err := newRepository(ctx, bare(dir, p.repository), p.released)
	if err != nil {
		return 0, err
	}
	defer own.abandon()
	modules := make([]*repository, len(p.submodules))
	for i, s := range p.submodules {
		if modules[i], err = newRepository(ctx, bare(dir, s.repository), p.released); err != nil {
			return 0, err
		}
		defer modules[i].abandon()
	}
	err = p.eachFile(ctx, sdist, func(name string, h *tar.Header, r io.Reader) error {
		files++
		for i, s := range p.submodules {
			if inside, ok := strings.CutPrefix(name, s.path+"/"); ok {
				return modules[i].member(inside, h, r)
			}
		}
		return own.member(name, h, r)
	})
	if err != nil {
		return 0, err
	}
	for i, s := range p.submodules {
		commit, err := modules[i].publish(ctx, s.repository+" as "+p.repository+" "+p.tag()+" has it", "")
		if err != nil {
			return 0, err
		}
		own.entries = append(own.entries, entry{"160000", commit, s.path})
	}
	if len(p.submodules) > 0 {
		own.text(".gitmodules", p.gitmodules())
	}
	for _, name := range slices.Sorted(maps.Keys(p.written)) {
		own.text(name, p.written[name])
	}
	_, err = own.publish(ctx, p.repository+" "+p.version, p.tag())
	return files, err
}

// repository is a bare repository in the making: a `git fast-import` to which
// files are streamed. Author and date are fixed, so its commit is the same
// everywhere.
type repository struct {
	final, half string
	date        time.Time
	importer    *exec.Cmd
	pipe        io.WriteCloser
	in          *bufio.Writer
	errs        bytes.Buffer
	entries     []entry
}

// entry is a line of a tree: what is a mark (:7) or a commit.
type entry struct{ mode, what, path string }

func newRepository(ctx context.Context, final string, date time.Time) (*repository, error) {
	r := &repository{final: final, half: final + ".part", date: date}
	if err := os.RemoveAll(r.half); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(r.half, 0o755); err != nil {
		return nil, err
	}
	if err := r.git(ctx, "init", "-q", "--bare", "-b", "main"); err != nil {
		return nil, err
	}
	r.importer = r.command(ctx, "fast-import", "--quiet", "--done")
	r.importer.Stderr = &r.errs
	pipe, err := r.importer.StdinPipe()
	if err != nil {
		return nil, err
	}
	r.pipe, r.in = pipe, bufio.NewWriterSize(pipe, 1<<20)
	return r, r.importer.Start()
}

// member adds a file of an sdist, its mode as git would have it.
func (r *repository) member(name string, h *tar.Header, body io.Reader) error {
	if strings.ContainsAny(name, "\n\"") {
		return errors.New("a name with a quote or a line break")
	}
	switch {
	case h.Typeflag == tar.TypeSymlink:
		return r.blob("120000", name, int64(len(h.Linkname)), strings.NewReader(h.Linkname))
	case h.Typeflag != tar.TypeReg:
		return fmt.Errorf("entries of type %q do not belong in an sdist", h.Typeflag)
	case h.Mode&0o100 != 0:
		return r.blob("100755", name, h.Size, body)
	}
	return r.blob("100644", name, h.Size, body)
}

func (r *repository) text(name, text string) {
	// A write error stays in the bufio.Writer and comes out of publish.
	_ = r.blob("100644", name, int64(len(text)), strings.NewReader(text))
}

func (r *repository) blob(mode, name string, size int64, body io.Reader) error {
	mark := fmt.Sprintf(":%d", len(r.entries)+1)
	r.entries = append(r.entries, entry{mode, mark, name})
	fmt.Fprintf(r.in, "blob\nmark %s\ndata %d\n", mark, size)
	if _, err := io.CopyN(r.in, body, size); err != nil {
		return err
	}
	return r.in.WriteByte('\n')
}

// publish commits all files on main, tags the commit, and gives the repository
// its name. It allows what upstream's forge allows: partial clones, and
// commits asked for by name.
func (r *repository) publish(ctx context.Context, message, tag string) (commit string, err error) {
	who := fmt.Sprintf("sparkwheel demo <demo@sparkwheel.invalid> %d +0000", r.date.Unix())
	fmt.Fprintf(r.in, "commit refs/heads/main\nauthor %s\ncommitter %s\ndata %d\n%s\n", who, who, len(message), message)
	for _, e := range r.entries {
		fmt.Fprintf(r.in, "M %s %s %s\n", e.mode, e.what, e.path)
	}
	if tag != "" {
		fmt.Fprintf(r.in, "tag %s\nfrom refs/heads/main\ntagger %s\ndata %d\n%s\n", tag, who, len(tag), tag)
	}
	fmt.Fprint(r.in, "done\n")
	if err := errors.Join(r.in.Flush(), r.pipe.Close()); err != nil {
		return "", err
	}
	err = r.importer.Wait()
	r.importer = nil
	if err != nil {
		return "", fmt.Errorf("git fast-import: %w\n%s", err, r.errs.Bytes())
	}
	for _, key := range []string{"uploadpack.allowFilter", "uploadpack.allowAnySHA1InWant"} {
		if err := r.git(ctx, "config", key, "true"); err != nil {
			return "", err
		}
	}
	out, err := r.command(ctx, "rev-parse", "refs/heads/main").Output()
	if err != nil {
		return "", err
	}
	if err := os.RemoveAll(r.final); err != nil {
		return "", err
	}
	return strings.TrimSpace(string(out)), os.Rename(r.half, r.final)
}

// abandon ends what publish did not.
func (r *repository) abandon() {
	if r.importer != nil {
		r.pipe.Close()
		_ = r.importer.Wait() // it was not told that it is done: it fails
	}
	_ = os.RemoveAll(r.half)
}

func (r *repository) git(ctx context.Context, args ...string) error {
	if out, err := r.command(ctx, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("git %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

// command runs git in the repository without anybody's configuration.
func (r *repository) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = r.half
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "LC_ALL=C",
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_TERMINAL_PROMPT=0",
	}
	return cmd
}

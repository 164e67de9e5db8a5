package packages

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/base"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/git"
	"github.com/sparkwheel/sparkwheel/wheel/sandbox"
)

// apt is the resolver of packages: the base's own, inside the base's root, and
// with state of its own, so that the base stays as it is.
type apt struct {
	env     host.Env
	base    *base.Base
	box     *sandbox.Sandbox
	command sandbox.Command // but for its Args and Output
	options []string
	run     *stage.Run
	mirrors []git.Rewrite
}

// aptWork is where apt finds its sources and keeps its state; seen from inside.
const aptWork = "/build/apt"

// prepare makes dir, an empty directory, ready for apt: the base's sources and
// the recipe's, and pins that hold packages at the versions they had.
func (a *apt) prepare(ctx context.Context, w Wanted, dir string) error {
	root, err := os.OpenRoot(a.base.Root)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, needed := range []string{"etc/apt", "usr/bin/apt-get"} {
		if _, err := root.Stat(needed); err != nil {
			return fmt.Errorf("the base has no apt, which resolves and installs packages: %w", err)
		}
	}
	if err := a.writeSources(root, w.Packages, dir); err != nil {
		return fmt.Errorf("preparing apt's sources: %w", err)
	}
	if err := writePreferences(root, w.Held, dir); err != nil {
		return fmt.Errorf("preparing apt's preferences: %w", err)
	}
	a.command = sandbox.Command{
		Env:     append([]string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "HOME=/tmp"}, a.env.Network.Env...),
		Mounts:  append([]sandbox.Mount{{Source: dir, Target: aptWork, Writable: true}}, a.env.Network.Mounts...),
		Network: true,
	}
	a.options = []string{
		"-o", "Dir::State=" + aptWork + "/state", "-o", "Dir::State::status=/var/lib/dpkg/status", "-o", "Dir::Cache=" + aptWork + "/cache",
		"-o", "Dir::Etc::sourcelist=" + aptWork + "/sources.list", "-o", "Dir::Etc::sourceparts=" + aptWork + "/sources.list.d",
		"-o", "Dir::Etc::preferences=" + aptWork + "/preferences",
		// The root is read-only and its user alone may be there.
		"-o", "APT::Sandbox::User=root", "-o", "Debug::NoLocking=1",
		"-o", "Acquire::Languages=none", "-o", "APT::Update::Error-Mode=any", "-o", "Acquire::Retries=3",
	}
	for _, m := range a.env.Network.Mounts {
		if m.Target == certificatesTarget {
			a.options = append(a.options, "-o", "Acquire::https::CaInfo="+certificatesTarget)
		}
	}
	if w.Snapshot != "" {
		a.options = append(a.options, "--snapshot="+w.Snapshot)
	}
	return a.chooseRoot(ctx, root)
}

// certificatesTarget is where Network.Mounts shows trusted certificates.
const certificatesTarget = "/build/ca.crt"

// chooseRoot has the base's apt run where it can, emulated or not; else this
// host's, told of the base's architecture, packages and keys.
func (a *apt) chooseRoot(ctx context.Context, root *os.Root) error {
	env, b := a.env, a.base
	a.box = &sandbox.Sandbox{Root: b.Root}
	probe := sandbox.Command{Args: []string{"/usr/bin/apt-get", "--version"}, Env: a.command.Env}
	err := a.box.Run(ctx, probe)
	if err == nil {
		if !b.RunsHere(env) {
			a.run.Note("the base's own apt resolves packages, emulated")
		}
		return nil
	}
	if b.RunsHere(env) {
		return fmt.Errorf("starting the base's apt: %w", err)
	}
	if _, err := os.Stat("/usr/bin/apt-get"); err != nil {
		return fmt.Errorf("the base is for %s and its apt does not run here: install the package qemu-user-static, or lock on a host with apt: %w", b.Platform, err)
	}
	a.box = &sandbox.Sandbox{Root: "/"}
	for _, p := range []string{"etc/apt", "usr/share/keyrings", "var/lib/dpkg/status"} {
		// A link that leads out of the base would show this host's files.
		if _, err := root.Stat(p); err == nil {
			a.command.Mounts = append(a.command.Mounts, sandbox.Mount{Source: filepath.Join(b.Root, p), Target: "/" + p})
		}
	}
	architecture := b.Platform.Architecture
	a.options = append(a.options, "-o", "APT::Architecture="+architecture, "-o", "APT::Architectures="+architecture)
	a.run.Note("this host's apt resolves packages for %s from the base's sources and keys", architecture)
	return nil
}

// writeSources copies the base's sources, sent to mirrors where the user has
// some, and puts the recipe's beside them.
func (a *apt) writeSources(root *os.Root, p recipe.Packages, dir string) error {
	for _, sub := range []string{"state/lists/partial", "cache/archives/partial", "sources.list.d", "keys"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return err
		}
	}
	files := map[string][]byte{"sources.list": nil}
	if text, err := root.ReadFile("etc/apt/sources.list"); err == nil {
		files["sources.list"] = a.mirrored(text)
	}
	parts, err := root.Open("etc/apt/sources.list.d")
	if err == nil {
		names, err := parts.Readdirnames(-1)
		if err := errors.Join(err, parts.Close()); err != nil {
			return err
		}
		for _, name := range names {
			text, err := root.ReadFile(path.Join("etc/apt/sources.list.d", name))
			if err != nil {
				return err
			}
			files["sources.list.d/"+name] = a.mirrored(text)
		}
	}
	for _, s := range p.Sources {
		key := "keys/" + s.Name + ".asc"
		files[key] = []byte(s.Key)
		stanza := strings.TrimSpace(s.Deb822) + "\nSigned-By: " + aptWork + "/" + key + "\n"
		files["sources.list.d/sparkwheel-"+s.Name+".sources"] = a.mirrored([]byte(stanza))
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

var sourceURL = regexp.MustCompile(`https?://[^\s\]]+`)

func (a *apt) mirrored(text []byte) []byte {
	return sourceURL.ReplaceAllFunc(text, func(url []byte) []byte {
		to, _ := git.Rewritten(string(url), a.mirrors)
		return []byte(to)
	})
}

// official undoes mirrored: the lock names what the sources name.
func (a *apt) official(url string) string {
	var back []git.Rewrite
	for _, m := range a.mirrors {
		back = append(back, git.Rewrite{Prefix: m.Base, Base: m.Prefix})
	}
	url, _ = git.Rewritten(url, back)
	return url
}

// writePreferences holds packages at their versions for as long as an archive
// has them, beside what the base prefers.
func writePreferences(root *os.Root, held []recipe.LockedDeb, dir string) error {
	text, _ := root.ReadFile("etc/apt/preferences")
	out := bytes.NewBuffer(text)
	for _, d := range held {
		fmt.Fprintf(out, "\n\nPackage: %s\nPin: version %s\nPin-Priority: 995\n", d.Name, d.Version)
	}
	return os.WriteFile(filepath.Join(dir, "preferences"), out.Bytes(), 0o644)
}

// do runs one of apt's programs and returns what it wrote.
func (a *apt) do(ctx context.Context, program string, args ...string) ([]byte, error) {
	var out bytes.Buffer
	cmd := a.command
	cmd.Args = slices.Concat([]string{program}, a.options, args)
	cmd.Output = &out
	err := a.box.Run(ctx, cmd)
	if _, failed := errors.AsType[*sandbox.ExitError](err); failed {
		_, err := a.run.Write(out.Bytes())
		return nil, errors.Join(&aptError{args[0], out.String()}, err)
	}
	return out.Bytes(), err
}

// aptError is apt's refusal, in its own words.
type aptError struct{ verb, output string }

func (e *aptError) Error() string {
	words := e.output
	if i := strings.Index(words, "The following packages have unmet dependencies:"); i >= 0 {
		return "apt-get " + e.verb + " says:\n  " + strings.ReplaceAll(strings.TrimSpace(words[i:]), "\n", "\n  ")
	}
	var said []string
	for line := range strings.Lines(words) {
		if strings.HasPrefix(line, "E: ") || strings.HasPrefix(line, "Err:") {
			said = append(said, strings.TrimSpace(line))
		}
	}
	if said == nil {
		said = []string{strings.TrimSpace(words)}
	}
	return "apt-get " + e.verb + " says:\n  " + strings.Join(said, "\n  ")
}

var unknownPackage = regexp.MustCompile(`(?m)^E: (?:Unable to locate package (\S+)|Package '([^']+)' has no installation candidate)`)

// unknown names the packages that apt does not know.
func (e *aptError) unknown() []string {
	var names []string
	for _, m := range unknownPackage.FindAllStringSubmatch(e.output, -1) {
		names = append(names, m[1]+m[2])
	}
	return names
}

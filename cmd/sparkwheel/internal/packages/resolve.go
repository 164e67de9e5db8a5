package packages

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/base"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/stage"
	"github.com/sparkwheel/sparkwheel/git"
	"github.com/sparkwheel/sparkwheel/wheel/index"
)

// Wanted are the packages that a recipe asks for, and those that are held at
// the versions that they had while an archive has them.
type Wanted struct {
	recipe.Packages
	Held []recipe.LockedDeb
}

// Resolve pins the debs that the packages need, by the base's own apt and with
// the network.
func Resolve(ctx context.Context, env host.Env, b *base.Base, w Wanted, run *stage.Run) (_ []recipe.LockedDeb, err error) {
	work, err := os.MkdirTemp(env.Scratch(), "apt-*")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	a := &apt{env: env, base: b, run: run, mirrors: env.Mirrors.Rewrites}
	if err := a.prepare(ctx, w, work); err != nil {
		return nil, err
	}
	if _, err := a.do(ctx, "apt-get", "update"); err != nil {
		return nil, err
	}
	debs, err := a.resolve(ctx, w.Image)
	if err != nil {
		return nil, err
	}
	if len(w.Build) > 0 {
		all, err := a.resolve(ctx, slices.Concat(w.Image, w.Build))
		if err != nil {
			return nil, err
		}
		if debs, err = markBuildOnly(debs, all); err != nil {
			return nil, err
		}
	}
	seen := slices.Clone(debs) // by every build
	for _, name := range slices.Sorted(maps.Keys(w.Alone)) {
		all, err := a.resolve(ctx, slices.Concat(w.Image, w.Build, w.Alone[name]))
		if err != nil {
			return nil, err
		}
		if debs, err = addAlone(debs, seen, all, name); err != nil {
			return nil, err
		}
	}
	return debs, nil
}

// addAlone adds to debs what of all the build of that name sees alone, beside
// the debs that every build sees.
func addAlone(debs, seen, all []recipe.LockedDeb, name string) ([]recipe.LockedDeb, error) {
	if d := missingFrom(all, seen); d != nil {
		return nil, fmt.Errorf("%s %s conflicts with the packages of build %s; move what needs another version to packages.build", d.Name, d.Version, name)
	}
	for _, d := range all {
		if contains(seen, d) {
			continue
		}
		if i := slices.IndexFunc(debs, func(have recipe.LockedDeb) bool { return same(have, d) }); i >= 0 {
			debs[i].Alone = append(debs[i].Alone, name)
			continue
		}
		d.Alone = []string{name}
		debs = append(debs, d)
	}
	return debs, nil
}

// same says that two debs are one file.
func same(a, b recipe.LockedDeb) bool {
	return a.Name == b.Name && a.Version == b.Version && a.Architecture == b.Architecture && a.SHA256 == b.SHA256
}

func contains(debs []recipe.LockedDeb, d recipe.LockedDeb) bool {
	return slices.ContainsFunc(debs, func(have recipe.LockedDeb) bool { return same(have, d) })
}

// missingFrom is the first of wanted that all lacks.
func missingFrom(all, wanted []recipe.LockedDeb) *recipe.LockedDeb {
	for _, d := range wanted {
		if !contains(all, d) {
			return &d
		}
	}
	return nil
}

// markBuildOnly tells the debs that are for builds alone. The image's must be
// among all: builds see the image's packages, not others of their kind.
func markBuildOnly(image, all []recipe.LockedDeb) ([]recipe.LockedDeb, error) {
	if d := missingFrom(all, image); d != nil {
		return nil, fmt.Errorf("the image's %s %s conflicts with packages.build; move what needs another version to packages.image", d.Name, d.Version)
	}
	for i := range all {
		all[i].BuildOnly = !contains(image, all[i])
	}
	return all, nil
}

// Pins are debs as the index client downloads them, from a mirror of their
// archive where the user has one.
func Pins(env host.Env, debs []recipe.LockedDeb) []index.Pin {
	var pins []index.Pin
	for _, d := range debs {
		address, _ := git.Rewritten(d.URL, env.Mirrors.Rewrites)
		pins = append(pins, index.Pin{Name: d.Name, File: d.File(), URL: address, SHA256: d.SHA256, Size: d.Size})
	}
	return pins
}

// resolve is what apt would bring to have the packages asked for installed.
func (a *apt) resolve(ctx context.Context, asked []string) ([]recipe.LockedDeb, error) {
	if len(asked) == 0 {
		return nil, nil
	}
	host.Logf(a.run, "resolving packages: %s", strings.Join(asked, ", "))
	if err := a.refuseHeld(ctx, asked); err != nil {
		return nil, err
	}
	out, err := a.do(ctx, "apt-get", append([]string{"install", "--print-uris", "-q", "-y", "--no-remove", "--no-install-recommends",
		"--allow-downgrades", "--allow-change-held-packages", "--"}, asked...)...)
	if refused, ok := errors.AsType[*aptError](err); ok {
		return nil, a.explain(ctx, refused)
	}
	if err != nil {
		return nil, err
	}
	debs, err := readURIs(string(out))
	if err != nil || len(debs) == 0 {
		return nil, err
	}
	var names []string
	for _, d := range debs {
		name := d.Name
		if d.Architecture != "all" {
			name += ":" + d.Architecture
		}
		names = append(names, name+"="+d.Version)
	}
	records, err := a.do(ctx, "apt-cache", append([]string{"show", "--"}, names...)...)
	if err != nil {
		return nil, err
	}
	for i := range debs {
		if debs[i].SHA256, err = findSHA256(string(records), debs[i]); err != nil {
			return nil, err
		}
		debs[i].URL = a.official(debs[i].URL)
	}
	return debs, nil
}

// explain adds to a package that apt does not know the names it might have, and
// to one that is held that it is.
func (a *apt) explain(ctx context.Context, refused *aptError) error {
	unknown := refused.unknown()
	if len(unknown) == 0 {
		held, err := a.held(ctx)
		if err != nil {
			return errors.Join(refused, err)
		}
		if back := heldBack(refused.output, held); len(back) > 0 {
			return fmt.Errorf("it would change %s, %s\n%w", back[0], holds(back[0]), refused)
		}
		return refused
	}
	known, err := a.do(ctx, "apt-cache", "pkgnames")
	if err != nil {
		return errors.Join(refused, err)
	}
	names := strings.Fields(string(known))
	var hints []string
	for _, name := range unknown {
		hint := "no archive of the base has the package " + name
		if near := recipe.Nearest(name, names); near != "" && near != name {
			hint += " (near: " + near + ")"
		}
		hints = append(hints, hint)
	}
	return fmt.Errorf("%s; add its archive as [[packages.source]], or correct the recipe\n%w", strings.Join(hints, ", "), refused)
}

// A line of apt-get --print-uris: 'URL' FILE SIZE HASH.
var uriRE = regexp.MustCompile(`^'([^']+)' (\S+) ([0-9]+)(?: .*)?$`)

// readURIs reads what apt-get --print-uris wrote. apt names a file
// NAME_VERSION_ARCHITECTURE.deb, with the colon of a version as %3a.
func readURIs(out string) ([]recipe.LockedDeb, error) {
	var debs []recipe.LockedDeb
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "'") {
			continue
		}
		m := uriRE.FindStringSubmatch(line)
		if m == nil {
			return nil, fmt.Errorf("apt-get --print-uris wrote %q, which is not the URL of a package", line)
		}
		file, err := url.PathUnescape(m[2])
		parts := strings.Split(strings.TrimSuffix(file, ".deb"), "_")
		if err != nil || len(parts) != 3 {
			return nil, fmt.Errorf("apt-get --print-uris names the file %q, which is not NAME_VERSION_ARCHITECTURE.deb", m[2])
		}
		if !strings.HasPrefix(m[1], "http://") && !strings.HasPrefix(m[1], "https://") {
			return nil, fmt.Errorf("package %s comes from %s: a lock can hold only http and https URLs; correct the base's sources", parts[0], m[1])
		}
		size, err := strconv.ParseInt(m[3], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("package %s: %w", parts[0], err)
		}
		debs = append(debs, recipe.LockedDeb{Name: parts[0], Version: parts[1], Architecture: parts[2], URL: m[1], Size: size})
	}
	return debs, nil
}

var sha256RE = regexp.MustCompile(`^[0-9a-f]{64}$`)

// findSHA256 finds a deb among the records that apt-cache show wrote: by name,
// version, architecture, size and file name. Two archives may have one version.
func findSHA256(records string, d recipe.LockedDeb) (string, error) {
	file, err := url.PathUnescape(path.Base(d.URL))
	if err != nil {
		return "", fmt.Errorf("package %s: %w", d.Name, err)
	}
	for record := range strings.SplitSeq(records, "\n\n") {
		fields := map[string]string{}
		for line := range strings.Lines(record) {
			if k, v, ok := strings.Cut(strings.TrimSpace(line), ": "); ok && !strings.HasPrefix(line, " ") {
				fields[k] = v
			}
		}
		if fields["Package"] == d.Name && fields["Version"] == d.Version && fields["Architecture"] == d.Architecture &&
			fields["Size"] == strconv.FormatInt(d.Size, 10) && path.Base(fields["Filename"]) == file && sha256RE.MatchString(fields["SHA256"]) {
			return fields["SHA256"], nil
		}
	}
	return "", fmt.Errorf("the index has no SHA256 of %s %s (%s), which sparkwheel needs", d.Name, d.Version, d.Architecture)
}

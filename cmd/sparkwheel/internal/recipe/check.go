package recipe

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bmatcuk/doublestar/v4"
)

var (
	nameRE     = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	envRE      = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	platformRE = regexp.MustCompile(`^linux/(amd64|arm64)$`)
	pythonRE   = regexp.MustCompile(`^3\.[0-9]+$`)
	markerRE   = regexp.MustCompile(`^\.[a-z0-9-]+-commit$`)
)

// check reports everything that is wrong with the recipe at once.
func (r *Recipe) check() error {
	var faults []error
	bad := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if p := r.Target.Platform; p != "host" && !platformRE.MatchString(p) {
		bad("target.platform %q is not one of linux/arm64, linux/amd64, host", p)
	}
	if p := r.Target.Python; p != "base" && !pythonRE.MatchString(p) {
		bad("target.python %q is neither \"base\" nor a version such as 3.12", p)
	}
	if r.UV == "" {
		bad("tools.uv is missing: give the version of uv that resolves and builds, such as 0.13.9")
	}
	if len(r.Wheels)+len(r.Builds) == 0 && r.Runtime.Empty() {
		bad("no [[wheel]], no [[build]] and no [runtime]: the recipe makes nothing")
	}
	if _, err := time.Parse(time.DateOnly, r.ExcludeNewer); err != nil && r.ExcludeNewer != "" {
		if _, err := time.Parse(time.RFC3339, r.ExcludeNewer); err != nil {
			bad("tools.exclude-newer %q is neither YYYY-MM-DD nor a time of RFC 3339", r.ExcludeNewer)
		}
	}
	for name, files := range r.Runtime.Files {
		if _, ok := r.Source(name); !ok {
			bad("runtime.files: no [[source]] is named %q; choose from %s", name, strings.Join(r.sourceNames(), ", "))
		}
		for _, f := range files {
			if !localPath(f) {
				bad("runtime.files: %q leaves the tree", f)
			}
		}
	}
	faults = append(faults, r.checkProvided()...)
	faults = append(faults, r.Packages.check()...)
	faults = append(faults, r.checkConstraints()...)
	faults = append(faults, r.checkSources()...)
	faults = append(faults, r.checkBuilds()...)
	faults = append(faults, r.checkWheels()...)
	faults = append(faults, r.checkSameVersion()...)
	faults = append(faults, r.checkFiles()...)
	faults = append(faults, r.checkManifests()...)
	faults = append(faults, r.checkIndexes()...)
	faults = append(faults, r.checkInputs()...)
	faults = append(faults, r.checkGPU()...)
	for _, o := range r.Image.Over {
		if o.Winner == "" || o.Loser == "" || o.Winner == o.Loser {
			bad("image.over: winner and loser must be two distributions")
		}
	}
	if w := r.Image.WorkDir; w != "" && !path.IsAbs(w) {
		bad("image.workdir %q is not absolute", w)
	}
	return errors.Join(faults...)
}

func (r *Recipe) checkSources() []error {
	var faults []error
	bad := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	seen := map[string]bool{}
	markers := map[string]bool{}
	for _, s := range r.Sources {
		where := fmt.Sprintf("source %q", s.Name)
		if !nameRE.MatchString(s.Name) {
			bad("%s: a source's name consists of lower-case letters, digits and dashes", where)
		}
		if seen[s.Name] {
			bad("%s occurs twice", where)
		}
		seen[s.Name] = true
		if s.Git.URL == "" || s.Git.Ref == "" {
			bad("%s: url and ref are both needed", where)
		}
		if s.Dirty && (!s.Local || s.Git.Ref != "HEAD") {
			bad("%s: dirty takes what is checked out on this host: url must be a path, and ref HEAD or omitted", where)
		}
		if s.Version == "" {
			bad("%s: version is missing: \"scm\", \"tag\" or a version", where)
		}
		if s.Date != "" {
			if _, err := time.Parse(time.DateOnly, s.Date); err != nil {
				bad("%s: date %q is not YYYY-MM-DD", where, s.Date)
			}
		}
		if s.Marker != "" && !markerRE.MatchString(s.Marker) {
			bad("%s: marker %q is not of the form .NAME-commit", where, s.Marker)
		}
		if s.Marker != "" && markers[s.Marker] {
			bad("%s: marker %q is another source's", where, s.Marker)
		}
		markers[s.Marker] = true
		for _, rule := range s.Rewrite.Rules().Rules {
			if err := rule.Check(); err != nil {
				bad("%s: rewrite: %w", where, err)
			}
		}
		for _, at := range slices.Sorted(maps.Keys(s.Submodule)) {
			if !localPath(at) || s.Submodule[at].URL == "" {
				bad("%s: submodule %q: a path in the tree and a url are needed", where, at)
			}
		}
		for i, n := range s.Pulls {
			if n < 1 || slices.Contains(s.Pulls[:i], n) {
				bad("%s: pulls: %d is not the number of one more pull request", where, n)
			}
		}
		checkPatches(s.Patches, func(format string, args ...any) { bad("%s: "+format, append([]any{where}, args...)...) })
		for f := range s.Files {
			if !localPath(f) {
				bad("%s: files: %q leaves the tree", where, f)
			}
		}
	}
	return faults
}

func (r *Recipe) checkWheels() []error {
	var faults []error
	bad := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	seen := map[string]bool{}
	for _, w := range r.Wheels {
		where := fmt.Sprintf("wheel %q", w.Name)
		if !nameRE.MatchString(w.Name) {
			bad("%s: a wheel's name consists of lower-case letters, digits and dashes", where)
		}
		if reserved(w.Name) {
			bad("%s: that name is reserved", where)
		}
		if seen[w.Name] {
			bad("%s occurs twice", where)
		}
		seen[w.Name] = true
		if _, ok := r.Source(w.Source); !ok {
			bad("%s: no [[source]] is named %q; choose from %s", where, w.Source, strings.Join(r.sourceNames(), ", "))
		}
		if w.Subdirectory != "" && !localPath(w.Subdirectory) {
			bad("%s: subdirectory %q leaves the tree", where, w.Subdirectory)
		}
		if w.TrackedFiles != "" && !localPath(w.TrackedFiles) {
			bad("%s: tracked-files %q leaves the tree", where, w.TrackedFiles)
		}
		if !slices.Contains([]string{"uv", "pip"}, w.Frontend) {
			bad("%s: frontend %q is neither uv nor pip", where, w.Frontend)
		}
		if !slices.Contains([]string{"base", "host"}, w.Root) {
			bad("%s: root %q is neither base nor host", where, w.Root)
		}
		if w.CPUs < 0 || w.CPUs > 1024 {
			bad("%s: cpus %d is not a number of CPUs", where, w.CPUs)
		}
		if w.MemoryPerJob < 0 {
			bad("%s: memory-per-job is not a size such as 6GiB", where)
		}
		for _, glob := range w.LeaveOut {
			if glob == "" || !doublestar.ValidatePattern(glob) {
				bad("%s: leave-out: %q is not a pattern such as **/*.lock", where, glob)
			}
		}
		if len(w.LeaveOut) > 0 && !w.Repack {
			bad("%s: leave-out needs repack", where)
		}
		for k := range w.Environment {
			if !envRE.MatchString(k) {
				bad("%s: environment: %q is not a variable name", where, k)
			}
		}
		for _, glob := range slices.Concat(w.MustContain, w.Prebuilt) {
			if glob == "" || !doublestar.ValidatePattern(glob) {
				bad("%s: %q is not a path pattern", where, glob)
			}
		}
		w.FetchContent.check(func(format string, args ...any) { bad("%s: "+format, append([]any{where}, args...)...) })
		for _, s := range w.Shims {
			if s.Name == "" || s.Version == "" || len(s.Files) == 0 {
				bad("%s: a shim needs name, version and files", where)
			}
		}
	}
	return faults
}

func localPath(p string) bool {
	return p != "" && !path.IsAbs(p) && path.Clean(p) == p && p != ".." && !strings.HasPrefix(p, "../") && !strings.Contains(p, `\`)
}

// parseSize reads 6GiB, 512MiB or a plain number of bytes; -1 is a fault.
func parseSize(s string) int64 {
	if s == "" {
		return 0
	}
	unit := int64(1)
	for suffix, factor := range map[string]int64{"GiB": 1 << 30, "MiB": 1 << 20} {
		if rest, ok := strings.CutSuffix(s, suffix); ok {
			s, unit = rest, factor
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n <= 0 {
		return -1
	}
	return n * unit
}

// Values are what {name} in a recipe's texts stands for.
type Values struct {
	Version string    // the source's computed version
	Commit  string    // the full SHA
	Ref     string    // what was asked for
	Time    time.Time // of the commit
	Machine string    // of the target: aarch64
	GPUArch string    // of the target: 12.1a
}

// Expand replaces {version}, {commit}, {short} (the first 8 digits), {ref},
// {date} (YYYY-MM-DD), {date-rfc2822}, {machine}, {gpu-arch} and {sm} (121a) in a
// recipe's text. Other braces stay as they are.
func Expand(text string, v Values) string {
	if !strings.Contains(text, "{") {
		return text
	}
	at := v.Time.UTC()
	return strings.NewReplacer(
		"{version}", v.Version, "{commit}", v.Commit, "{short}", v.Commit[:min(8, len(v.Commit))], "{ref}", v.Ref,
		"{date}", at.Format(time.DateOnly), "{date-rfc2822}", at.Format(time.RFC1123Z),
		"{machine}", v.Machine, "{gpu-arch}", v.GPUArch, "{sm}", strings.ReplaceAll(v.GPUArch, ".", ""),
	).Replace(text)
}

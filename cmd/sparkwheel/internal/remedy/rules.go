package remedy

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/fit"
	"github.com/sparkwheel/sparkwheel/git"
	"github.com/sparkwheel/sparkwheel/git/patch"
	"github.com/sparkwheel/sparkwheel/layer"
	"github.com/sparkwheel/sparkwheel/layer/hosts"
	"github.com/sparkwheel/sparkwheel/layer/layout"
	"github.com/sparkwheel/sparkwheel/layer/registry"
	"github.com/sparkwheel/sparkwheel/requirements/rewrite"
	"github.com/sparkwheel/sparkwheel/wheel"
	"github.com/sparkwheel/sparkwheel/wheel/builder"
	"github.com/sparkwheel/sparkwheel/wheel/index"
	"github.com/sparkwheel/sparkwheel/wheel/install"
	"github.com/sparkwheel/sparkwheel/wheel/sandbox"
	"github.com/sparkwheel/sparkwheel/wheel/truth"
)

const whileOnline = "run `sparkwheel fetch` without --offline"

// rules are the errors of the rooms about which something can be done.
var rules = []rule{
	at("git.ErrOffline", git.ErrOffline, whileOnline),
	at("patch.ErrSubmodule", patch.ErrSubmodule, "give its commit in the recipe"),
	on(&git.SchemeError{}, scheme),
	on(&git.NotSmartError{}, func(e *git.NotSmartError) string {
		if e.Dumb {
			return "use its ssh URL, or clone it and use that path"
		}
		return "check the URL"
	}),
	on(&git.DirtyError{}, func(e *git.DirtyError) string {
		if e.Submodule {
			return "commit them there"
		}
		return "commit or stash them, or give the full SHA of the commit; in a recipe, `dirty = true` includes them"
	}),
	on(&git.MergeError{}, func(*git.MergeError) string {
		return "\ntake it out of the source's `pulls`, or name a ref that it was made for"
	}),
	on(&git.MergeBaseError{}, func(*git.MergeBaseError) string { return "give its changes as a patch" }),
	on(&patch.ConflictError{}, func(*patch.ConflictError) string {
		return "\nchange the patch or take it out of the recipe, or give it the `versions` of the source that it is for"
	}),
	on(&patch.AppliedError{}, func(*patch.AppliedError) string { return "remove it from the recipe" }),
	on(&rewrite.UnmatchedError{}, func(*rewrite.UnmatchedError) string {
		return "remove the rule from the recipe, or set must-match = false"
	}),

	at("index.ErrOffline", index.ErrOffline, whileOnline),
	on(&index.StatusError{}, indexStatus),
	on(&index.NotFoundError{}, func(*index.NotFoundError) string { return "check the name, and which index has it" }),
	on(&index.NoVersionError{}, func(e *index.NoVersionError) string {
		if len(e.Have) == 0 {
			return ""
		}
		return "use one of these, or set exclude-newer to a day that the mirror has reached"
	}),
	on(&index.PinError{}, func(*index.PinError) string { return "run `sparkwheel lock`" }),
	on(&index.PylockError{}, func(*index.PylockError) string { return "run `sparkwheel lock` to write it again" }),
	on(&index.MismatchError{}, func(e *index.MismatchError) string {
		return "try again, and if it happens again run " + upgrade(e.Name)
	}),
	on(&index.GoneError{Cause: &index.StatusError{}}, func(e *index.GoneError) string {
		return "if a mirror has it, give --mirror PREFIX=BASE; build from a bundle that has it; or use another version: " + upgrade(e.Name)
	}),
	on(&index.SelectError{}, func(*index.SelectError) string {
		return "\nuse versions that have a wheel for this target, then run `sparkwheel lock`"
	}),
	on(&index.SpaceError{}, func(*index.SpaceError) string {
		return "free some space (`sparkwheel cache gc`) or give another --store"
	}),

	on(&layout.TagError{}, func(e *layout.TagError) string {
		if e.Platform != "" || e.Tag != "" || len(e.Available) == 0 {
			return ""
		}
		return "a tag follows a colon, as in oci:DIR:TAG, and a digest an @"
	}),
	on(&layer.GroupError{}, func(*layer.GroupError) string { return "use fewer groups in the recipe" }),
	on(&registry.StatusError{}, func(e *registry.StatusError) string {
		if e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden {
			return "give --username and --password-stdin, or log in with `docker login`"
		}
		return ""
	}),
	on(&registry.TrustError{Err: http.ErrSchemeMismatch}, func(e *registry.TrustError) string {
		if e.PlainHTTP {
			return "if that is intended, give --plain-http"
		}
		return "give its certificate authority with --ca-cert FILE"
	}),

	on(&hosts.MissingError{}, func(e *hosts.MissingError) string {
		return fmt.Sprintf("install it: `apt-get install %s`", e.Name)
	}),
	on(&wheel.VerifyError{}, func(e *wheel.VerifyError) string {
		if len(e.Faults) == 0 || !e.Mendable() {
			return ""
		}
		return fmt.Sprintf("\nif it is your own build, `sparkwheel wheel repair %s` writes a valid one", e.File)
	}),
	on(&install.ConflictError{}, func(e *install.ConflictError) string {
		switch {
		case len(e.Conflicts) == 0:
			return ""
		case e.Conflicts[0].Path == "":
			return "\ngive only one of the two"
		}
		return "\nleave one of the two out, or say in a recipe which one wins: [[image.over]] with winner and loser"
	}),
	on(&wheel.FilenameError{}, func(e *wheel.FilenameError) string {
		if e.Variant != "" {
			return "use the wheel of that version without a variant"
		}
		return ""
	}),
	on(&sandbox.NamespaceError{}, namespaces),
	onList(&builder.FailedError{Exit: &sandbox.ExitError{}}, failed),
	onList(&truth.Error{}, func(e *truth.Error) (all []advice) {
		for _, f := range e.Faults {
			all = append(all, advice{f.String(), Fault(f)})
		}
		return all
	}),
	onList(&fit.Error{}, func(e *fit.Error) (all []advice) {
		for _, p := range e.Problems {
			all = append(all, advice{p.String(), onBase(p)})
		}
		return all
	}),
}

// onBase is what to do about a wheel that cannot lie upon a base.
func onBase(p fit.Problem) string {
	name, _, _ := strings.Cut(p.Distribution, " ")
	switch p.Code {
	case fit.CodeReplaces:
		return "leave out --no-replace to replace it, or the wheel to keep it"
	case fit.CodeDebian:
		text := "use a base without it, or leave out the wheel"
		if p.Package != "" {
			text = fmt.Sprintf("use a base without %s (`apt-get remove %s` where it is made), or leave out the wheel", p.Package, p.Package)
		}
		if p.Beside {
			text += fmt.Sprintf(", or install beside it with --allow %s (a recipe's image.shadow)", name)
		}
		return text
	case fit.CodeEditable, fit.CodeUnrecorded:
		return fmt.Sprintf("use a base without it (`pip uninstall %s` where it is made), or leave out the wheel", name)
	case fit.CodeDirectory, fit.CodeFile, fit.CodeLink:
		return "use another base, or leave out the wheel"
	}
	return ""
}

func upgrade(name string) string { return fmt.Sprintf("`sparkwheel lock --upgrade=%s`", name) }

func scheme(e *git.SchemeError) string {
	if e.Scheme == "file" {
		return fmt.Sprintf("give it as a mirror (--mirror PREFIX=%s) to allow it", e.URL)
	}
	return "use another server with --mirror PREFIX=https://HOST/"
}

func indexStatus(e *index.StatusError) string {
	switch e.Code {
	case http.StatusUnauthorized, http.StatusForbidden:
		return "check the user and password of the index (in ~/.netrc, or UV_INDEX_NAME_USERNAME and UV_INDEX_NAME_PASSWORD)"
	case http.StatusProxyAuthRequired:
		return "check the user and password in HTTPS_PROXY"
	}
	return ""
}

// Fault is what to do about a requirement that is not satisfied.
func Fault(f truth.Fault) string {
	switch f.Code {
	case truth.CodeBuiltAgainst:
		return fmt.Sprintf("add `pin = { %s = %q }` to the source's rewrite rules, or `repair = true` to the wheel", f.Name, f.Pin)
	case truth.CodeConflict:
		return fmt.Sprintf("use a %s that it allows, rebuild %s with `pin = { %s = %q }`, or pass --allow %s", f.Name, f.Distribution, f.Name, f.Pin, f.Name)
	case truth.CodeMissing:
		return fmt.Sprintf("add a wheel of %s, or pass --allow %s", f.Name, f.Name)
	case truth.CodePython:
		return fmt.Sprintf("use a wheel of %s for this Python, or pass --allow %s", f.Name, f.Name)
	case truth.CodeMarker:
		return fmt.Sprintf("correct its metadata, or pass --allow %s", f.Name)
	}
	return ""
}

// namespaces lists three ways to run builds on a host that refuses namespaces.
func namespaces(e *sandbox.NamespaceError) string {
	first := "run it as root: sudo sparkwheel ..."
	if e.Root {
		first = "run it outside the container, or give the container --privileged"
	}
	second := "allow user namespaces: sudo sysctl user.max_user_namespaces=65536 (and kernel.unprivileged_userns_clone=1 where it exists)"
	if e.AppArmor {
		second = "install this profile as /etc/apparmor.d/sparkwheel, then: sudo apparmor_parser -r /etc/apparmor.d/sparkwheel" + indented(sandbox.Profile(e.Program))
	}
	return fmt.Sprintf("\nThree ways to go on:\n  1. %s\n  2. %s\n  3. build without isolation, which the build's record notes: --sandbox none", first, second)
}

package main

import (
	"path/filepath"
	"strings"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/host"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/remedy"
	"github.com/sparkwheel/sparkwheel/requirements"
	"github.com/sparkwheel/sparkwheel/requirements/marker"
	"github.com/sparkwheel/sparkwheel/requirements/version"
	"github.com/sparkwheel/sparkwheel/wheel"
	"github.com/sparkwheel/sparkwheel/wheel/truth"
)

// parseUsed reads --used NAME==VERSION.
func parseUsed(flags []string) ([]truth.Used, error) {
	var used []truth.Used
	for _, f := range flags {
		name, text, ok := strings.Cut(f, "==")
		v, err := version.Parse(text)
		if !ok || name == "" || err != nil {
			return nil, usageErrorf("--used %q is not NAME==VERSION, such as torch==2.11.0", f)
		}
		used = append(used, truth.Used{Name: requirements.Normalize(name), Version: v, Origin: "--used"})
	}
	return used, nil
}

// lies are the requirements of a wheel that forbid what its build used, as
// faults of its METADATA.
func lies(file string, used []truth.Used) ([]wheel.Fault, error) {
	w, err := wheel.Open(file)
	if err != nil {
		return nil, err
	}
	defer w.Close()
	d := truth.Of(w.Metadata, filepath.Base(file))
	var faults []wheel.Fault
	for _, f := range truth.Built(d, used, targetOf(w.Filename)) {
		faults = append(faults, wheel.Fault{Code: f.Code, Path: w.DistInfo() + "/METADATA", Message: f.Requirement + ": " + f.Message + "; " + remedy.Fault(f)})
	}
	return faults, nil
}

// targetOf is the environment that a wheel's tags speak of; where they leave it
// open, that of a GX10.
func targetOf(f wheel.Filename) marker.Environment {
	python, machine := "3.12", host.Machine("arm64")
	for _, t := range f.Tags {
		if minor, ok := strings.CutPrefix(t.Python, "cp3"); ok && !strings.HasPrefix(t.ABI, "abi3") {
			python = "3." + minor
		}
		for _, arch := range host.Architectures {
			if m := host.Machine(arch); strings.HasSuffix(t.Platform, "_"+m) {
				machine = m
			}
		}
	}
	return marker.Linux(python, machine)
}

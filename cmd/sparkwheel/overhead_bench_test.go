package main

import (
	"archive/zip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sparkwheel/sparkwheel/wheel/builder"
	"github.com/sparkwheel/sparkwheel/wheel/sandbox"
)

// BenchmarkSandboxOverhead builds a wheel whose commands do nothing, in the
// sandbox and without one, by turns, and reports by how much the sandbox's
// builds take longer: the median of the pairs, in wall time, and in processor
// time, which a busy machine does not stretch as much. It stands here since the
// sandbox starts as a copy of this whole program.
//
//	go test -run '^$' -bench SandboxOverhead -benchtime 100x ./cmd/sparkwheel
func BenchmarkSandboxOverhead(b *testing.B) {
	if _, err := os.Lstat("/build"); err == nil || os.Geteuid() != 0 {
		b.Skip("builds without a sandbox too, and must make /build for that: needs root")
	}
	spec := noBuild(b)
	build := func(mode sandbox.Mode) (wall, cpu time.Duration) {
		dir := b.TempDir()
		start, used := time.Now(), processorTime(b)
		if _, err := builder.Wheels(b.Context(), &sandbox.Sandbox{Root: "/", Mode: mode}, spec, dir, io.Discard); err != nil {
			b.Fatal(err)
		}
		return time.Since(start), processorTime(b) - used
	}
	var isolated, over, overCPU []time.Duration
	for b.Loop() {
		i, iCPU := build(sandbox.Namespaces)
		p, pCPU := build(sandbox.None)
		isolated, over, overCPU = append(isolated, i), append(over, i-p), append(overCPU, iCPU-pCPU)
	}
	for name, d := range map[string][]time.Duration{"isolated-ms": isolated, "overhead-ms": over, "overhead-cpu-ms": overCPU} {
		slices.Sort(d)
		b.ReportMetric(float64(d[len(d)/2].Microseconds())/1e3, name)
	}
}

// processorTime is what this process and those it waited for have used.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var sum int64
	for _, who := range []int{unix.RUSAGE_SELF, unix.RUSAGE_CHILDREN} {
		var u unix.Rusage
		if err := unix.Getrusage(who, &u); err != nil {
			b.Fatal(err)
		}
		sum += u.Utime.Nano() + u.Stime.Nano()
	}
	return time.Duration(sum)
}

// noBuild is a build whose uv does nothing but put a ready wheel into place.
func noBuild(b *testing.B) builder.Spec {
	b.Helper()
	dir := b.TempDir()
	uv, source := filepath.Join(dir, "uv"), filepath.Join(dir, "src")
	script := "#!/bin/sh\ncase $1 in build) cp demo.whl /build/out/demo-1.0-py3-none-any.whl;; esac\n"
	if err := errors.Join(os.Mkdir(source, 0o755), os.WriteFile(uv, []byte(script), 0o755)); err != nil {
		b.Fatal(err)
	}
	f, err := os.Create(filepath.Join(source, "demo.whl"))
	if err != nil {
		b.Fatal(err)
	}
	w := zip.NewWriter(f)
	if _, err := w.Create("demo.py"); err != nil {
		b.Fatal(err)
	}
	if err := errors.Join(w.Close(), f.Close()); err != nil {
		b.Fatal(err)
	}
	return builder.Spec{Source: source, Distribution: "demo", Python: "/usr/bin/python3", UV: uv, Epoch: time.Unix(1700000000, 0),
		Shims: []builder.Shim{{Name: "torch", Version: "2.11.0"}}, Jobs: 1, Memory: 1 << 30}
}

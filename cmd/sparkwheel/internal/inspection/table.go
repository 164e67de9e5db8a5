package inspection

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/sparkwheel/sparkwheel/wheel/inspect"
	"github.com/sparkwheel/sparkwheel/wheel/inspect/cuda"
)

// Write lays the document out for a person: a line for each binary with GPU
// code, why those fall short that do, and one for all the others.
func (d *Document) Write(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", d.File, d.headline())
	d.writeRows(&b)
	d.writeReasons(&b)
	d.writeRest(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

// headline is the verdict in a sentence.
func (d *Document) headline() string {
	on := "a GPU of compute capability " + d.GPU
	if d.Driver != "" {
		on += " with a driver for CUDA " + d.Driver
	}
	switch d.Verdict {
	case cuda.Native:
		return "native: all of its GPU code is for exactly " + on
	case cuda.Family:
		return "family: all of its GPU code runs on " + on
	case cuda.ByPTX:
		return "ptx: all of its GPU code runs on " + on + ", some after the driver has compiled it"
	case cuda.PTXTooNew:
		return "ptx-too-new: some of its GPU code is PTX that is too new for " + on
	case cuda.None:
		return "none: some of its GPU code does not run on " + on
	}
	if len(d.ELF) == 0 {
		return "no binaries"
	}
	return "no GPU code that is loaded as is"
}

// verdicts are the columns, best first.
var verdicts = [...]cuda.Verdict{cuda.Native, cuda.Family, cuda.ByPTX, cuda.PTXTooNew, cuda.None}

func (d *Document) writeRows(b *strings.Builder) {
	rows := d.withCode()
	if len(rows) == 0 && d.Loose == nil {
		return
	}
	tw := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "\n  VERDICT\tKERNELS BY VERDICT\tGPU CODE FOR\tBINARY")
	for _, e := range rows {
		word := cmp.Or(e.CUDA.Verdict.String(), "-")
		fmt.Fprintf(tw, "  %s\t%s\t%s\t%s\n", word, tally(e.CUDA.Kernels), e.CUDA.architectures(), Path(e.Path))
	}
	if l := d.Loose; l != nil && l.Path != "" {
		fmt.Fprintf(tw, "  %s\t%s\t%s\t%s (%d files)\n", l.Verdict, tally(l.Cubins), d.looseArchitectures(), Path(l.Path), l.Files)
	}
	_ = tw.Flush() // into memory
}

// withCode are the binaries with GPU code that does not lie alone, the worst first.
func (d *Document) withCode() (rows []ELF) {
	for _, e := range d.ELF {
		if e.CUDA != nil && e.Kind != inspect.Cubin && e.Kind != inspect.Fatbin {
			rows = append(rows, e)
		}
	}
	rank := func(e ELF) int { return (int(e.CUDA.Verdict) + len(verdicts)) % (len(verdicts) + 1) }
	slices.SortStableFunc(rows, func(a, c ELF) int { return cmp.Compare(rank(a), rank(c)) })
	return rows
}

func (d *Document) looseArchitectures() string {
	all := &CUDA{}
	for _, e := range d.ELF {
		if e.Kind == inspect.Cubin || e.Kind == inspect.Fatbin {
			all.SASS, all.PTX = append(all.SASS, e.CUDA.SASS...), append(all.PTX, e.CUDA.PTX...)
		}
	}
	byNumber := func(a, c string) int { return cmp.Or(cmp.Compare(len(a), len(c)), cmp.Compare(a, c)) }
	for _, list := range []*[]string{&all.SASS, &all.PTX} {
		slices.SortFunc(*list, byNumber)
		*list = slices.Compact(*list)
	}
	return all.architectures()
}

// tally is "12 family, 3 none"; a question mark where nothing was counted.
func tally(n map[cuda.Verdict]int) string {
	if n == nil {
		return "?"
	}
	var parts []string
	for _, v := range verdicts {
		if n[v] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n[v], v))
		}
	}
	return cmp.Or(strings.Join(parts, ", "), "-")
}

// writeReasons says why, for what is not native.
func (d *Document) writeReasons(b *strings.Builder) {
	said := false
	say := func(path, reason string) {
		if !said {
			b.WriteString("\n")
		}
		said = true
		fmt.Fprintf(b, "  %s: %s\n", Path(path), reason)
	}
	for _, e := range d.withCode() {
		switch {
		case e.CUDA.Verdict == cuda.NoCode && e.Kind == inspect.Object:
			say(e.Path, "has to be linked before a driver can load it")
		case e.CUDA.Verdict != cuda.Native && e.CUDA.Reason != "":
			say(e.Path, e.CUDA.Reason)
		}
	}
	if l := d.Loose; l != nil && l.Reason != "" {
		say(l.Path, l.Reason)
	}
	for _, e := range d.ELF {
		for _, w := range e.Warnings {
			say(e.Path, "warning: "+w)
		}
	}
	for _, x := range d.Damaged {
		say(x.Path, "cannot be read: "+x.Message)
	}
}

// writeRest sums up what all binaries need of a system.
func (d *Document) writeRest(b *strings.Builder) {
	machines := map[string]int{}
	newest := map[string]string{}
	plain := 0
	for _, e := range d.ELF {
		if e.Machine != "" && e.Machine != "cuda" {
			machines[e.Machine]++
		}
		if e.CUDA == nil {
			plain++
		}
		for prefix, v := range map[string]string{"GLIBC": e.GLIBC, "GLIBCXX": e.GLIBCXX, "CXXABI": e.CXXABI} {
			if v != "" && inspect.VersionLess(newest[prefix], v) {
				newest[prefix] = v
			}
		}
	}
	if len(machines) == 0 {
		return
	}
	var parts []string
	for m, n := range machines {
		parts = append(parts, fmt.Sprintf("%d for %s", n, m))
	}
	slices.Sort(parts)
	fmt.Fprintf(b, "\n  binaries: %s; %d without GPU code\n", strings.Join(parts, ", "), plain)
	parts = nil
	for _, prefix := range []string{"GLIBC", "GLIBCXX", "CXXABI"} {
		if newest[prefix] != "" {
			parts = append(parts, prefix+"_"+newest[prefix])
		}
	}
	if len(parts) > 0 {
		fmt.Fprintf(b, "  they need: %s\n", strings.Join(parts, ", "))
	}
}

// Path is a path of a stranger's file as it is printed: quoted where it has a
// line break or something else that would pass for our own words.
func Path(path string) string {
	if q := fmt.Sprintf("%q", path); q != `"`+path+`"` {
		return q
	}
	return path
}

package inspect

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/sparkwheel/sparkwheel/wheel/inspect/cuda"
)

// Judgement is what a target makes of one file, or of all the GPU code that
// lies alone in a wheel.
type Judgement struct {
	Path string
	// Verdict is that of its worst container that counts: a program calls
	// kernels of every one of them. It is cuda.NoCode where none counts.
	Verdict cuda.Verdict
	// Reason says why, in a person's words; empty for cuda.NoCode.
	Reason string
	// Containers and Kernels are how many there are by verdict. Kernels is nil
	// where they were not counted.
	Containers map[cuda.Verdict]int
	Kernels    map[cuda.Verdict]int
}

// Judge judges a library, an executable or an object by its containers. Those
// that except covers do not count; nil covers none.
func Judge(f *File, t cuda.Target, except func(cuda.Container) bool) Judgement {
	j := Judgement{Path: f.Path, Containers: map[cuda.Verdict]int{}, Kernels: map[cuda.Verdict]int{}}
	var worst *cuda.Container
	excepted := 0
	for i := range f.Containers {
		c := &f.Containers[i]
		v := t.JudgeContainer(*c).Verdict
		if v == cuda.NoCode {
			continue
		}
		if except != nil && except(*c) {
			excepted++
			continue
		}
		j.Containers[v]++
		j.addKernels(*c, v)
		if j.Verdict == cuda.NoCode || v < j.Verdict {
			j.Verdict, worst = v, c
		}
	}
	if worst != nil {
		j.Reason = j.tally("worst") + t.Explain(*worst)
	}
	if excepted > 0 {
		j.Reason += fmt.Sprintf(" (%s excepted)", count(excepted, "fatbin"))
	}
	return j
}

// addKernels counts the kernels of the entry that the verdict is about; of a
// container that does not run, those of its fullest entry.
func (j *Judgement) addKernels(c cuda.Container, v cuda.Verdict) {
	most := 0
	for _, e := range c.Entries {
		if e.Kernels < 0 && e.Kind != cuda.LTO && e.Kind != cuda.Unknown {
			j.Kernels = nil
			return
		}
		most = max(most, e.Kernels)
	}
	if j.Kernels != nil {
		j.Kernels[v] += most
	}
}

// tally says how the containers divide, when they do; which of them is explained
// behind it.
func (j *Judgement) tally(which string) string {
	if len(j.Containers) < 2 {
		return ""
	}
	var parts []string
	total := 0
	for _, v := range []cuda.Verdict{cuda.Native, cuda.Family, cuda.ByPTX, cuda.PTXTooNew, cuda.None} {
		if n := j.Containers[v]; n > 0 {
			total += n
			parts = append(parts, fmt.Sprintf("%d %s", n, v))
		}
	}
	return fmt.Sprintf("of %d fatbins %s; the %s: ", total, strings.Join(parts, ", "), which)
}

// JudgeLoose judges the GPU code that lies alone in files, cubins and fatbins,
// as one container: a program takes of it what fits the GPU. ok is false where
// there is none.
func JudgeLoose(files []*File, t cuda.Target) (j Judgement, ok bool) {
	j = Judgement{Containers: map[cuda.Verdict]int{}, Kernels: map[cuda.Verdict]int{}}
	var best *cuda.Container
	var dirs []string
	for _, f := range files {
		if f.Kind != Cubin && f.Kind != Fatbin {
			continue
		}
		if d := path.Dir(f.Path); !slices.Contains(dirs, d) {
			dirs = append(dirs, d)
		}
		for i := range f.Containers {
			c := &f.Containers[i]
			v := t.JudgeContainer(*c).Verdict
			if v == cuda.NoCode {
				continue
			}
			j.Containers[v]++
			j.addKernels(*c, v)
			if best == nil || v > j.Verdict {
				j.Verdict, best = v, c
			}
		}
	}
	if best == nil {
		return j, false
	}
	j.Path = commonDir(dirs) + "/*"
	j.Reason = j.tally("best") + t.Explain(*best)
	return j, true
}

// commonDir is the deepest directory above all of dirs.
func commonDir(dirs []string) string {
	common := dirs[0]
	for _, d := range dirs[1:] {
		for common != "." && d != common && !strings.HasPrefix(d, common+"/") {
			common = path.Dir(common)
		}
	}
	return common
}

// JudgeAll judges every file that has GPU code, and what lies alone, and says
// which verdict is the worst that matters: objects and archives do not, for
// nothing loads them as they are.
func JudgeAll(files []*File, t cuda.Target) (all []Judgement, worst cuda.Verdict) {
	for _, f := range files {
		switch f.Kind {
		case Cubin, Fatbin:
			continue
		}
		j := Judge(f, t, nil)
		if j.Verdict == cuda.NoCode {
			continue
		}
		all = append(all, j)
		if f.Loaded() && (worst == cuda.NoCode || j.Verdict < worst) {
			worst = j.Verdict
		}
	}
	if j, ok := JudgeLoose(files, t); ok {
		all = append(all, j)
		if worst == cuda.NoCode || j.Verdict < worst {
			worst = j.Verdict
		}
	}
	return all, worst
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

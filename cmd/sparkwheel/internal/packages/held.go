package packages

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// held are the packages that the base holds.
func (a *apt) held(ctx context.Context) (names []string, err error) {
	out, err := a.do(ctx, "apt-mark", "showhold")
	if err != nil {
		return nil, err
	}
	for name := range strings.FieldsSeq(string(out)) {
		name, _, _ = strings.Cut(name, ":") // of another architecture than the base's
		names = append(names, name)
	}
	return names, nil
}

// refuseHeld refuses to change a package that the base holds unless the recipe
// names it: what is named may replace a held version and go back to an older
// one, what comes along with it may not.
func (a *apt) refuseHeld(ctx context.Context, asked []string) error {
	held, err := a.held(ctx)
	if err != nil || len(held) == 0 {
		return err
	}
	plan, err := a.do(ctx, "apt-get", append([]string{"install", "--simulate", "-qq", "-y", "--no-remove", "--no-install-recommends",
		"--allow-downgrades", "--allow-change-held-packages", "--"}, asked...)...)
	if err != nil {
		return nil //nolint:nilerr // apt's refusal of the installation itself says it better
	}
	for _, name := range changed(string(plan)) {
		if slices.Contains(held, name) && !slices.ContainsFunc(asked, func(a string) bool { return a == name || strings.HasPrefix(a, name+"=") }) {
			return fmt.Errorf("installing %s would change %s, %s", strings.Join(asked, ", "), name, holds(name))
		}
	}
	return nil
}

// changed are the packages that apt-get --simulate would install or change, from
// its lines "Inst NAME [OLD] (NEW ...)".
func changed(plan string) []string {
	var names []string
	for line := range strings.Lines(plan) {
		words := strings.Fields(line)
		if len(words) > 1 && words[0] == "Inst" {
			name, _, _ := strings.Cut(words[1], ":")
			names = append(names, name)
		}
	}
	return names
}

func holds(name string) string {
	return fmt.Sprintf("which is on hold in the base; name it beside the others, %s or %s=VERSION, to change it", name, name)
}

// A dependency as apt tells it: " a : Depends: b (>= 2) but 1 is to be installed".
var dependency = regexp.MustCompile(`(?:Pre)?Depends: (\S+)`)

// heldBack are the held packages that apt's refusal speaks of: by itself apt
// changes none of them for another package's sake, and does not say why.
func heldBack(refusal string, held []string) []string {
	var names []string
	for _, m := range dependency.FindAllStringSubmatch(refusal, -1) {
		if name, _, _ := strings.Cut(m[1], ":"); slices.Contains(held, name) && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

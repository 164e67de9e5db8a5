package packages

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// refuseHeld refuses to change a package that the base holds unless the recipe
// names it: what is named may replace a held version and go back to an older
// one, what comes along with it may not.
func (a *apt) refuseHeld(ctx context.Context, asked []string) error {
	out, err := a.do(ctx, "apt-mark", "showhold")
	if err != nil {
		return err
	}
	held := strings.Fields(string(out))
	if len(held) == 0 {
		return nil
	}
	plan, err := a.do(ctx, "apt-get", append([]string{"install", "--simulate", "-qq", "-y", "--no-remove", "--no-install-recommends",
		"--allow-downgrades", "--allow-change-held-packages", "--"}, asked...)...)
	if err != nil {
		return nil // apt's refusal of the installation itself says it better
	}
	for _, name := range changed(string(plan)) {
		if slices.Contains(held, name) && !slices.ContainsFunc(asked, func(a string) bool { return a == name || strings.HasPrefix(a, name+"=") }) {
			return fmt.Errorf("installing %s would change %s, which is on hold in the base; give its version, %s=VERSION, to change it", strings.Join(asked, ", "), name, name)
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

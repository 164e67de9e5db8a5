package builder

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/sparkwheel/sparkwheel/wheel/builder/explain"
	"github.com/sparkwheel/sparkwheel/wheel/builder/launcher"
	"github.com/sparkwheel/sparkwheel/wheel/sandbox"
)

// FailedError is a build that ran and failed. Its text names the command and
// what is known about the words in its log.
type FailedError struct {
	Doing    string             // "building vllm"
	Exit     *sandbox.ExitError // its Tail has the log's last lines
	Findings []explain.Finding  // in the order in which the log has them
}

func (e *FailedError) Unwrap() error { return e.Exit }

func (e *FailedError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %v", e.Doing, e.Exit)
	for _, f := range e.Findings {
		fmt.Fprintf(&b, "\n  cause:  %s", f)
	}
	return b.String()
}

// CommandsFile is the name under which Wheels leaves the compilations of a
// build, in the form of compile_commands.json.
const CommandsFile = "compile-commands.json"

// keepCommands turns the launcher's lines into one JSON document, in an order
// that does not depend on which compiler ended first. Without lines it makes
// nothing.
func keepCommands(from, to string) error {
	f, err := os.Open(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	var commands []launcher.Command
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var c launcher.Command
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			return fmt.Errorf("reading the compile commands: %w", err)
		}
		commands = append(commands, c)
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("reading the compile commands: %w", err)
	}
	slices.SortStableFunc(commands, func(a, b launcher.Command) int {
		return strings.Compare(a.File+"\x00"+a.Output, b.File+"\x00"+b.Output)
	})
	text, err := json.MarshalIndent(commands, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(to, append(text, '\n'), 0o644)
}

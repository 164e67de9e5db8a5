package builder

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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
	// Commands are what the compilers were called for until then, as in
	// [CommandsFile]; nil when none was.
	Commands []byte
	// Refused is why the Spec's Gate ended the build, "" when it did not.
	Refused string
}

func (e *FailedError) Unwrap() error { return e.Exit }

func (e *FailedError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %v", e.Doing, e.Exit)
	if e.Refused != "" {
		fmt.Fprintf(&b, "\n  cause:  %s", e.Refused)
	}
	for _, f := range e.Findings {
		fmt.Fprintf(&b, "\n  cause:  %s", f)
	}
	return b.String()
}

// CommandsFile is the name under which Wheels leaves the compilations of a
// build, in the form of compile_commands.json.
const CommandsFile = "compile-commands.json"

// withCommands adds to a failed build what its compilers were called for.
func (b *build) withCommands(err error) error {
	if failed, ok := errors.AsType[*FailedError](err); ok {
		text, readErr := commandsText(b.host(fileCommands))
		failed.Commands = text
		if why, err := os.ReadFile(filepath.Join(b.host(dirLaunch), launcher.RefusedFile)); err == nil {
			failed.Refused = string(why)
		}
		if readErr != nil {
			return errors.Join(err, readErr)
		}
	}
	return err
}

// CountObjects reads the [CommandsFile] in dir and counts the objects that were
// compiled, and those of them that are for a GPU. Trials of a configuration
// step are none. Without the file there are none.
func CountObjects(dir string) (objects, cuda int, err error) {
	text, err := os.ReadFile(filepath.Join(dir, CommandsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, 0, nil
	}
	if err != nil {
		return 0, 0, err
	}
	var commands []struct{ CUDA, Trial bool }
	if err := json.Unmarshal(text, &commands); err != nil {
		return 0, 0, fmt.Errorf("reading the compile commands: %w", err)
	}
	for _, c := range commands {
		if c.Trial {
			continue
		}
		objects++
		if c.CUDA {
			cuda++
		}
	}
	return objects, cuda, nil
}

// keepCommands writes what the launcher recorded. Without a record it makes
// nothing.
func keepCommands(from, to string) error {
	text, err := commandsText(from)
	if text == nil || err != nil {
		return err
	}
	return os.WriteFile(to, text, 0o644)
}

// commandsText turns the launcher's lines into one JSON document, in an order
// that does not depend on which compiler ended first; nil without lines.
func commandsText(from string) ([]byte, error) {
	f, err := os.Open(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var commands []launcher.Command
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var c launcher.Command
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			return nil, fmt.Errorf("reading the compile commands: %w", err)
		}
		commands = append(commands, c)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading the compile commands: %w", err)
	}
	slices.SortStableFunc(commands, func(a, b launcher.Command) int {
		return cmp.Or(strings.Compare(a.File, b.File), strings.Compare(a.Output, b.Output), slices.Compare(a.Arch, b.Arch))
	})
	text, err := json.MarshalIndent(commands, "", " ")
	return append(text, '\n'), err
}

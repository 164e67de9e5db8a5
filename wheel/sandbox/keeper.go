package sandbox

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const keeperName = "sparkwheel-keeper"

// keeper is a small process that removes cgroups when this one has ended, by
// whatever end: a kill leaves this process no chance to do so itself.
type keeper struct {
	cmd *exec.Cmd
	to  *os.File
}

func startKeeper() (*keeper, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	k := &keeper{to: w, cmd: &exec.Cmd{Path: "/proc/self/exe", Args: []string{keeperName}, Env: lightly, Dir: "/",
		Stdin: r, SysProcAttr: &syscall.SysProcAttr{Setsid: true}}}
	if err := k.cmd.Start(); err != nil {
		w.Close()
		return nil, err
	}
	return k, nil
}

// note tells the keeper of a directory that is about to be made.
func (k *keeper) note(dir string) error {
	_, err := fmt.Fprintln(k.to, dir)
	return err
}

// finish has the keeper remove what it knows, and waits for it.
func (k *keeper) finish() {
	k.to.Close()
	_ = k.cmd.Wait()
}

// keep is the keeper's own side: it ends the process.
func keep() {
	signal.Ignore(unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	var dirs []string
	for in := bufio.NewScanner(os.NewFile(0, "notes")); in.Scan(); {
		dirs = append(dirs, in.Text())
	}
	// The kernel may still be ending the last processes of the sandbox.
	for range 1000 {
		left := dirs[:0]
		for _, dir := range dirs {
			if err := unix.Rmdir(dir); err != nil && err != unix.ENOENT {
				left = append(left, dir)
			}
		}
		if dirs = left; len(dirs) == 0 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	syscall.Exit(0)
}

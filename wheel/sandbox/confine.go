package sandbox

import (
	"fmt"

	"golang.org/x/sys/unix"
)

const addrNoRandomize = 0x0040000

// confine takes from the calling thread, and so from the command it will
// start, all that a build has no need of.
func confine(o *order) *setupError {
	unix.Umask(o.Umask)
	if err := limitResources(o.MaxProcesses); err != nil {
		return &setupError{"setting resource limits", err}
	}
	if err := lowerPriority(o.Nice); err != nil {
		return &setupError{"setting the priority", err}
	}
	if o.CPUs > 0 {
		if err := limitCPUs(o.CPUs); err != nil {
			return &setupError{"choosing processors", err}
		}
	}
	// Addresses in a compiler's hash tables decide the order of its output.
	if _, _, errno := unix.Syscall(unix.SYS_PERSONALITY, addrNoRandomize, 0, 0); errno != 0 {
		return &setupError{"fixing addresses", errno}
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return &setupError{"giving up new privileges", err}
	}
	if err := dropCapabilities(o.Owners); err != nil {
		return &setupError{"dropping capabilities", err}
	}
	if err := filterSyscalls(o.Owners); err != nil {
		return &setupError{"filtering system calls", err}
	}
	return nil
}

// lowerPriority adds to the priority value that the thread has. A thread that
// nice started with a large one may not have a smaller one, and stays there.
func lowerPriority(by int) error {
	if by <= 0 {
		return nil
	}
	// The system call answers 20 less the value, so that no answer is an error.
	now, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err != nil {
		return err
	}
	return unix.Setpriority(unix.PRIO_PROCESS, 0, min(20-now+by, 19))
}

// limitResources makes the limits that a command can see the same on every
// host, as far as the host's own allow.
func limitResources(processes int) error {
	limits := map[int]uint64{unix.RLIMIT_CORE: 0, unix.RLIMIT_NOFILE: 16384, unix.RLIMIT_STACK: 8 << 20}
	if processes > 0 {
		limits[unix.RLIMIT_NPROC] = uint64(processes)
	}
	for resource, most := range limits {
		var now unix.Rlimit
		if err := unix.Getrlimit(resource, &now); err != nil {
			return err
		}
		n := min(most, now.Max)
		if err := unix.Setrlimit(resource, &unix.Rlimit{Cur: n, Max: n}); err != nil {
			return err
		}
	}
	return nil
}

// limitCPUs leaves this thread the first n of its processors.
func limitCPUs(n int) error {
	var have, want unix.CPUSet
	if err := unix.SchedGetaffinity(0, &have); err != nil {
		return err
	}
	for cpu := 0; cpu < len(have)*64 && want.Count() < n; cpu++ {
		if have.IsSet(cpu) {
			want.Set(cpu)
		}
	}
	return unix.SchedSetaffinity(0, &want)
}

// ownersMay is what Command.Owners leaves, of the first 32 capabilities. None
// reaches beyond files and the process itself.
const ownersMay = 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_FOWNER | 1<<unix.CAP_FSETID

// dropCapabilities leaves what this thread starts nothing, or what owners may:
// uid 0 gets at exec what both the bounding and the permitted set hold. The
// thread itself keeps the right to say which process id comes next.
func dropCapabilities(owners bool) error {
	var left uint32
	if owners {
		left = ownersMay
	}
	for c := uintptr(0); ; c++ {
		if _, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, c, 0, 0, 0); err != nil {
			break
		}
		if c < 32 && left&(1<<c) != 0 {
			continue
		}
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil {
			return fmt.Errorf("capability %d: %w", c, err)
		}
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return err
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	keep := [2]unix.CapUserData{{Permitted: left, Effective: left}}
	bit := uint32(1) << (unix.CAP_CHECKPOINT_RESTORE - 32)
	keep[1] = unix.CapUserData{Permitted: bit, Effective: bit}
	if err := unix.Capset(&header, &keep[0]); err == nil {
		return nil
	}
	// A container's root may lack it.
	keep[1] = unix.CapUserData{}
	return unix.Capset(&header, &keep[0])
}

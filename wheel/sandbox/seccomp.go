package sandbox

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Offsets in struct seccomp_data; both machines are little-endian, so the low
// half of an argument stands first.
const (
	offNumber = 0
	offArch   = 4
	offArgs   = 16
)

// A rule lets a system call fail with errno, or succeed without effect where
// errno is 0: always, or, where bits is set,
// when argument arg has any of those bits.
type rule struct {
	nr    uint32
	errno unix.Errno
	arg   int
	bits  uint32
	when  *condition
}

// condition further narrows a rule by a second argument.
type condition struct {
	arg  int
	bits uint32
}

const (
	newNamespaces = unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC |
		unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWTIME
	setID = unix.S_ISUID | unix.S_ISGID
)

// refusedCalls are system calls that no build needs: they change the machine,
// its mounts and namespaces, or reach into other processes.
var refusedCalls = [...]uint32{
	unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_MOVE_MOUNT, unix.SYS_OPEN_TREE, unix.SYS_FSOPEN,
	unix.SYS_FSCONFIG, unix.SYS_FSMOUNT, unix.SYS_FSPICK, unix.SYS_MOUNT_SETATTR, unix.SYS_CHROOT, unix.SYS_UNSHARE, unix.SYS_SETNS,
	unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_KCMP, unix.SYS_PIDFD_GETFD, unix.SYS_PROCESS_MADVISE,
	unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD, unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY, unix.SYS_KEYCTL,
	unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE, unix.SYS_KEXEC_LOAD, unix.SYS_KEXEC_FILE_LOAD,
	unix.SYS_REBOOT, unix.SYS_SWAPON, unix.SYS_SWAPOFF, unix.SYS_ACCT, unix.SYS_QUOTACTL, unix.SYS_QUOTACTL_FD, unix.SYS_SYSLOG,
	unix.SYS_SETTIMEOFDAY, unix.SYS_CLOCK_SETTIME, unix.SYS_CLOCK_ADJTIME, unix.SYS_ADJTIMEX, unix.SYS_SETHOSTNAME, unix.SYS_SETDOMAINNAME,
	unix.SYS_NAME_TO_HANDLE_AT, unix.SYS_OPEN_BY_HANDLE_AT, unix.SYS_VHANGUP, unix.SYS_FANOTIFY_INIT, unix.SYS_LOOKUP_DCOOKIE,
}

// absentCalls answer as an older kernel would, so that callers fall back:
// their arguments lie in memory, where a filter cannot look.
var absentCalls = [...]uint32{
	unix.SYS_CLONE3, unix.SYS_OPENAT2, unix.SYS_FCHMODAT2,
	unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER,
}

// ownerCalls give a file or the process to another user. Where owners are
// pretended, they succeed and do nothing: an ordinary user's namespace has one
// user alone, and what comes out shall be the same for root.
var ownerCalls = [...]uint32{
	unix.SYS_FCHOWN, unix.SYS_FCHOWNAT,
	unix.SYS_SETUID, unix.SYS_SETGID, unix.SYS_SETREUID, unix.SYS_SETREGID, unix.SYS_SETRESUID, unix.SYS_SETRESGID,
	unix.SYS_SETFSUID, unix.SYS_SETFSGID, unix.SYS_SETGROUPS,
}

// rules are those for every command; with owners, files may set the user.
func rules(owners bool) []rule {
	var rs []rule
	for _, nr := range refusedCalls {
		rs = append(rs, rule{nr: nr, errno: unix.EPERM})
	}
	for _, nr := range absentCalls {
		rs = append(rs, rule{nr: nr, errno: unix.ENOSYS})
	}
	rs = append(rs, rule{nr: unix.SYS_CLONE, errno: unix.EPERM, arg: 0, bits: newNamespaces})
	rs = append(rs, machineRules()...)
	if owners {
		for _, nr := range append(ownerCalls[:], machineOwnerCalls()...) {
			rs = append(rs, rule{nr: nr})
		}
		return rs
	}
	creates := &condition{arg: 2, bits: unix.O_CREAT | unix.O_TMPFILE&^unix.O_DIRECTORY}
	rs = append(rs,
		// A file that sets the user would outlive the sandbox on the host.
		rule{nr: unix.SYS_FCHMOD, errno: unix.EPERM, arg: 1, bits: setID},
		rule{nr: unix.SYS_FCHMODAT, errno: unix.EPERM, arg: 2, bits: setID},
		rule{nr: unix.SYS_MKNODAT, errno: unix.EPERM, arg: 2, bits: setID},
		rule{nr: unix.SYS_OPENAT, errno: unix.EPERM, arg: 3, bits: setID, when: creates},
	)
	return append(rs, machineModeRules()...)
}

// program compiles rs to a classic BPF filter for the machine that audit
// names. A system call in the way of another machine kills the process.
func program(audit uint32, rs []rule) []unix.SockFilter {
	load := func(off uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: off}
	}
	jump := func(op uint16, k uint32, yes, no int) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | op | unix.BPF_K, K: k, Jt: uint8(yes), Jf: uint8(no)}
	}
	ret := func(k uint32) unix.SockFilter { return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: k} }
	fail := func(e unix.Errno) unix.SockFilter { return ret(unix.SECCOMP_RET_ERRNO | uint32(e)) }
	allow := ret(unix.SECCOMP_RET_ALLOW)

	p := []unix.SockFilter{
		load(offArch), jump(unix.BPF_JEQ, audit, 1, 0), ret(unix.SECCOMP_RET_KILL_PROCESS),
		load(offNumber),
		// x32 calls carry this bit on amd64; no call of arm64 is so large.
		jump(unix.BPF_JSET, 0x40000000, 0, 1), fail(unix.ENOSYS),
	}
	for _, r := range rs {
		var body []unix.SockFilter
		if r.when != nil {
			body = append(body, load(offArgs+8*uint32(r.when.arg)), jump(unix.BPF_JSET, r.when.bits, 1, 0), allow)
		}
		if r.bits != 0 {
			body = append(body, load(offArgs+8*uint32(r.arg)), jump(unix.BPF_JSET, r.bits, 0, 1), fail(r.errno), allow)
		} else {
			body = append(body, fail(r.errno))
		}
		p = append(append(p, jump(unix.BPF_JEQ, r.nr, 0, len(body))), body...)
	}
	p = append(p, argRules(load, jump, fail, allow)...)
	return append(p, allow)
}

// argRules refuse values, not bits: typing into a terminal, and kinds of
// sockets that no network namespace holds (AF_VSOCK) or that reach the kernel.
func argRules(load func(uint32) unix.SockFilter, jump func(uint16, uint32, int, int) unix.SockFilter, fail func(unix.Errno) unix.SockFilter, allow unix.SockFilter) []unix.SockFilter {
	return []unix.SockFilter{
		jump(unix.BPF_JEQ, unix.SYS_IOCTL, 0, 5),
		load(offArgs + 8), jump(unix.BPF_JEQ, unix.TIOCSTI, 1, 0), jump(unix.BPF_JEQ, tioclinux, 0, 1), fail(unix.EPERM), allow,
		jump(unix.BPF_JEQ, unix.SYS_SOCKET, 0, 6),
		load(offArgs),
		jump(unix.BPF_JEQ, unix.AF_UNIX, 4, 0), jump(unix.BPF_JEQ, unix.AF_INET, 3, 0),
		jump(unix.BPF_JEQ, unix.AF_INET6, 2, 0), jump(unix.BPF_JEQ, unix.AF_NETLINK, 1, 0), fail(unix.EAFNOSUPPORT),
	}
}

const tioclinux = 0x541c

// filterSyscalls puts the filter on the calling thread and all it starts.
func filterSyscalls(owners bool) error {
	p := program(auditArch, rules(owners))
	if len(p) > unix.BPF_MAXINSNS {
		return fmt.Errorf("the filter has %d instructions", len(p))
	}
	prog := unix.SockFprog{Len: uint16(len(p)), Filter: &p[0]}
	return unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&prog)), 0, 0)
}

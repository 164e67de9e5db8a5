package sandbox

import "golang.org/x/sys/unix"

const auditArch = unix.AUDIT_ARCH_X86_64

// machineRules are those for calls that only this machine has.
func machineRules() []rule {
	return []rule{
		{nr: unix.SYS_IOPL, errno: unix.EPERM},
		{nr: unix.SYS_IOPERM, errno: unix.EPERM},
		{nr: unix.SYS_MODIFY_LDT, errno: unix.EPERM},
		{nr: unix.SYS_USELIB, errno: unix.EPERM},
	}
}

// machineModeRules are those of them that make files that set the user.
func machineModeRules() []rule {
	creates := &condition{arg: 1, bits: unix.O_CREAT | unix.O_TMPFILE&^unix.O_DIRECTORY}
	return []rule{
		{nr: unix.SYS_CHMOD, errno: unix.EPERM, arg: 1, bits: setID},
		{nr: unix.SYS_CREAT, errno: unix.EPERM, arg: 1, bits: setID},
		{nr: unix.SYS_MKNOD, errno: unix.EPERM, arg: 1, bits: setID},
		{nr: unix.SYS_OPEN, errno: unix.EPERM, arg: 2, bits: setID, when: creates},
	}
}

// machineOwnerCalls are those of ownerCalls that only this machine has.
func machineOwnerCalls() []uint32 { return []uint32{unix.SYS_CHOWN, unix.SYS_LCHOWN} }

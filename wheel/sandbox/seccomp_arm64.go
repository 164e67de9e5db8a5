package sandbox

import "golang.org/x/sys/unix"

const auditArch = unix.AUDIT_ARCH_AARCH64

// machineRules are those for calls that only this machine has: none.
func machineRules() []rule { return nil }

// machineModeRules are those of them that make files that set the user: none.
func machineModeRules() []rule { return nil }

// machineOwnerCalls are those of ownerCalls that only this machine has: none.
func machineOwnerCalls() []uint32 { return nil }

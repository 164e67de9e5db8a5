package sandbox

import "golang.org/x/sys/unix"

const auditArch = unix.AUDIT_ARCH_AARCH64

// machineRules are those for calls that only this machine has: none.
func machineRules() []rule { return nil }

import json, platform, sys, sysconfig
json.dump({
    "Version": "%d.%d" % sys.version_info[:2],
    "Full": platform.python_version(),
    "GLIBC": platform.libc_ver()[1],
    "Machine": platform.machine(),
    "Paths": sysconfig.get_paths(sysconfig.get_preferred_scheme("prefix")),
}, sys.stdout, sort_keys=True)

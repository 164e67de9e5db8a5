import json, os, platform, sys, sysconfig
scheme = sysconfig.get_preferred_scheme("prefix")
paths = sysconfig.get_paths(scheme)
i = sys.implementation
v = i.version
kind = "" if v.releaselevel == "final" else v.releaselevel[0] + str(v.serial)
json.dump({
    "Version": "%d.%d" % sys.version_info[:2],
    "GLIBC": platform.libc_ver()[1],
    "Machine": platform.machine(),
    "Paths": paths,
    "Marker": {
        "implementation_name": i.name,
        "implementation_version": "%d.%d.%d" % v[:3] + kind,
        "os_name": os.name,
        "platform_machine": platform.machine(),
        "platform_python_implementation": platform.python_implementation(),
        "platform_release": "",
        "platform_system": platform.system(),
        "platform_version": "",
        "python_full_version": platform.python_version(),
        "python_version": "%d.%d" % sys.version_info[:2],
        "sys_platform": sys.platform,
    },
}, sys.stdout, sort_keys=True)

package doctor_test

import (
	"errors"
	"io/fs"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/doctor"
	"github.com/sparkwheel/sparkwheel/wheel/sandbox"
)

// The texts of /proc and /sys below are those of real hosts.
const (
	gx10Memory = "MemTotal:       125513684 kB\nMemFree:         3241160 kB\nMemAvailable:   98304000 kB\nBuffers:          481220 kB\n"
	gx10Driver = "NVRM version: NVIDIA UNIX Open Kernel Module for aarch64  580.95.05  Release Build  (dvs-builder@U22-I3-AM02-24-3)  Tue Sep 23 09:55:41 UTC 2025\n" +
		"GCC version:  gcc version 13.3.0 (Ubuntu 13.3.0-6ubuntu2~24.04)\n"
	oldDriver = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.14  Thu Feb 22 01:44:30 UTC 2024\n"
	gx10GPU   = "Model: \t\t NVIDIA GB10\nIRQ:   \t\t 345\nGPU UUID: \t GPU-00000000-0000-0000-0000-000000000000\n"
)

func files(texts map[string]string) fs.FS {
	m := fstest.MapFS{}
	for name, text := range texts {
		m[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return m
}

// gx10 is a GX10 as it comes: DGX OS, an ordinary user, AppArmor on.
func gx10() doctor.Host {
	return doctor.Host{
		Root: files(map[string]string{
			"proc/sys/kernel/osrelease":                        "6.11.0-1016-nvidia\n",
			"proc/meminfo":                                     gx10Memory,
			"proc/driver/nvidia/version":                       gx10Driver,
			"proc/driver/nvidia/gpus/000f:01:00.0/information": gx10GPU,
			"sys/bus/pci/devices/000f:01:00.0/vendor":          "0x10de\n",
			"sys/bus/pci/devices/000f:01:00.0/class":           "0x030200\n",
			"sys/bus/pci/devices/0000:01:00.0/vendor":          "0x15b3\n",
			"sys/bus/pci/devices/0000:01:00.0/class":           "0x020000\n",
		}),
		Platform: "linux/arm64",
		Store:    doctor.Store{Dir: "/home/u/.cache/sparkwheel", Free: 800 << 30},
		Sandbox:  sandbox.Report{UserNamespace: true, Memory: sandbox.CgroupV2},
	}
}

var spark = doctor.Needs{Recipe: "spark", Platform: "linux/arm64", Memory: 16 << 30, Disk: 100 << 30}

// faults are the names of the checks that are not OK; a required one has a "!".
func faults(checks []doctor.Check) (names []string) {
	for _, c := range checks {
		switch {
		case !c.OK && c.Required:
			names = append(names, c.Name+"!")
		case !c.OK:
			names = append(names, c.Name)
		}
	}
	return names
}

func TestExamine(t *testing.T) {
	t.Parallel()
	denied := &sandbox.NamespaceError{Step: "mounting the root", Err: syscall.EPERM, AppArmor: true, Program: "/usr/local/bin/sparkwheel"}
	for _, test := range []struct {
		name   string
		change func(h *doctor.Host, n *doctor.Needs)
		faults []string
		found  map[string]string // what a check must say it found
		remedy map[string]string // what its remedy must name
	}{
		{
			name: "a GX10 that can", change: func(*doctor.Host, *doctor.Needs) {},
			found: map[string]string{"gpu": "NVIDIA GB10", "driver": "580.95.05", "memory": "119.7 GiB, 93.8 GiB available", "namespaces": "user namespace", "cgroups": "cgroup v2"},
		},
		{
			name: "Ubuntu's AppArmor", change: func(h *doctor.Host, _ *doctor.Needs) {
				h.Sandbox = sandbox.Report{UserNamespace: true, AppArmor: true, Namespaces: denied, Memory: sandbox.Watcher}
			},
			faults: []string{"namespaces!", "apparmor!", "overlay", "cgroups"},
			found:  map[string]string{"namespaces": "mounting the root: operation not permitted", "overlay": "not tried"},
			remedy: map[string]string{"namespaces": "profile sparkwheel /usr/local/bin/sparkwheel", "apparmor": "sudo", "cgroups": "systemd-run"},
		},
		{
			name: "AppArmor with a profile", change: func(h *doctor.Host, _ *doctor.Needs) { h.Sandbox.AppArmor = true },
			found: map[string]string{"apparmor": "not for sparkwheel"},
		},
		{
			name: "AppArmor and root", change: func(h *doctor.Host, _ *doctor.Needs) {
				h.Sandbox.AppArmor, h.Sandbox.UserNamespace = true, false
			},
			found: map[string]string{"apparmor": "does not affect root", "namespaces": "as root"},
		},
		{
			name: "a probe that broke", change: func(h *doctor.Host, _ *doctor.Needs) {
				h.Sandbox.Namespaces = errors.New("making a sandbox: fork: resource temporarily unavailable\nmore")
			},
			faults: []string{"namespaces!", "overlay"},
			found:  map[string]string{"namespaces": "resource temporarily unavailable"},
			remedy: map[string]string{"namespaces": "--sandbox none"},
		},
		{
			name: "no overlay", change: func(h *doctor.Host, _ *doctor.Needs) { h.Sandbox.Overlay = syscall.ENODEV },
			faults: []string{"overlay"}, remedy: map[string]string{"overlay": "modprobe overlay"},
		},
		{
			name: "another platform", change: func(h *doctor.Host, _ *doctor.Needs) { h.Platform = "linux/amd64" },
			faults: []string{"platform!"}, remedy: map[string]string{"platform": "-r empty"},
		},
		{
			name: "any platform", change: func(h *doctor.Host, n *doctor.Needs) { h.Platform, n.Platform = "linux/amd64", "" },
		},
		{
			name: "an old kernel", change: func(h *doctor.Host, _ *doctor.Needs) { set(h, "proc/sys/kernel/osrelease", "5.4.0-200-generic\n") },
			faults: []string{"kernel!"}, found: map[string]string{"kernel": "5.4.0-200-generic"},
		},
		{
			name: "the first kernel that will do", change: func(h *doctor.Host, _ *doctor.Needs) { set(h, "proc/sys/kernel/osrelease", "5.12-rc1\n") },
		},
		{
			name: "no proc", change: func(h *doctor.Host, _ *doctor.Needs) { h.Root = files(nil) },
			faults: []string{"kernel!"}, found: map[string]string{"kernel": "unknown", "memory": "unknown", "gpu": "none"},
		},
		{
			name: "little memory", change: func(_ *doctor.Host, n *doctor.Needs) { n.Memory = 200 << 30 },
			faults: []string{"memory!"}, remedy: map[string]string{"memory": "more memory"},
		},
		{
			name: "memory taken by a model", change: func(_ *doctor.Host, n *doctor.Needs) { n.Memory = 100 << 30 },
			faults: []string{"memory"}, remedy: map[string]string{"memory": "running model"},
		},
		{
			name: "a full disk", change: func(h *doctor.Host, _ *doctor.Needs) { h.Store.Free = 3 << 30 },
			faults: []string{"disk!"}, found: map[string]string{"disk": "3.0 GiB free at /home/u/.cache/sparkwheel"}, remedy: map[string]string{"disk": "cache gc"},
		},
		{
			name: "a store that cannot be used", change: func(h *doctor.Host, _ *doctor.Needs) { h.Store.Err = fs.ErrPermission },
			faults: []string{"disk!"}, found: map[string]string{"disk": "permission denied"}, remedy: map[string]string{"disk": "--store"},
		},
		{
			name: "an old driver", change: func(h *doctor.Host, _ *doctor.Needs) { set(h, "proc/driver/nvidia/version", oldDriver) },
			faults: []string{"driver"}, found: map[string]string{"driver": "550.54.14"}, remedy: map[string]string{"driver": "nvidia-driver-580-open"},
		},
		{
			name: "a GPU without a driver", change: func(h *doctor.Host, _ *doctor.Needs) {
				set(h, "proc/driver/nvidia/version", "")
				set(h, "proc/driver/nvidia/gpus/000f:01:00.0/information", "")
			},
			faults: []string{"driver"}, found: map[string]string{"gpu": "PCI 000f:01:00.0"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			host, needs := gx10(), spark
			test.change(&host, &needs)
			checks := host.Examine(needs)
			if diff := cmp.Diff(test.faults, faults(checks)); diff != "" {
				t.Errorf("faults (-want +got):\n%s", diff)
			}
			if got, want := doctor.CanBuild(checks), !strings.Contains(strings.Join(test.faults, ""), "!"); got != want {
				t.Errorf("CanBuild = %v", got)
			}
			for _, c := range checks {
				if !strings.Contains(c.Found, test.found[c.Name]) {
					t.Errorf("%s found %q, want %q", c.Name, c.Found, test.found[c.Name])
				}
				if !strings.Contains(c.Remedy, test.remedy[c.Name]) {
					t.Errorf("the remedy for %s is %q, want %q", c.Name, c.Remedy, test.remedy[c.Name])
				}
				if c.Found == "" || c.Needed == "" || c.OK != (c.Remedy == "") {
					t.Errorf("half an answer: %+v", c)
				}
			}
		})
	}
}

func set(h *doctor.Host, name, text string) {
	h.Root.(fstest.MapFS)[name] = &fstest.MapFile{Data: []byte(text)}
}

func TestExamineAlwaysAnswersTheSameQuestions(t *testing.T) {
	t.Parallel()
	want := []string{"platform", "kernel", "namespaces", "apparmor", "overlay", "cgroups", "memory", "disk", "gpu", "driver"}
	for _, host := range []doctor.Host{gx10(), {Root: files(nil)}} {
		var got []string
		for _, c := range host.Examine(doctor.Needs{}) {
			got = append(got, c.Name)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("checks (-want +got):\n%s", diff)
		}
	}
}

// FuzzExamine holds that no text of a kernel or driver can stop the doctor.
func FuzzExamine(f *testing.F) {
	f.Add("6.11.0-1016-nvidia\n", gx10Memory, gx10Driver, gx10GPU)
	f.Add("5.", "MemTotal: kB", "NVRM version: 1.", "Model:")
	f.Add("99999999999999999999.1", "MemTotal: 9223372036854775807 kB\nMemAvailable: -1 kB", "NVRM version:  99999999999999999999.1 \n", "")
	f.Fuzz(func(t *testing.T, release, memory, driver, gpu string) {
		h := gx10()
		set(&h, "proc/sys/kernel/osrelease", release)
		set(&h, "proc/meminfo", memory)
		set(&h, "proc/driver/nvidia/version", driver)
		set(&h, "proc/driver/nvidia/gpus/000f:01:00.0/information", gpu)
		for _, c := range h.Examine(spark) {
			if c.Needed == "" || c.OK != (c.Remedy == "") {
				t.Errorf("half an answer: %+v", c)
			}
		}
	})
}

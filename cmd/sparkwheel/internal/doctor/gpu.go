package doctor

import (
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
)

// gpu names the GPUs: the driver's names, else what the PCI bus shows. A build
// needs none, so that the check is always OK.
func (h Host) gpu() Check {
	c := Check{Name: "gpu", OK: true, Found: "none", Needed: "none to build; GB10 to run the image"}
	if models := h.models(); len(models) > 0 {
		c.Found = strings.Join(models, ", ")
	} else if devices := h.pciGPUs(); len(devices) > 0 {
		c.Found = "NVIDIA at PCI " + strings.Join(devices, ", ")
	}
	return c
}

// models are the GPUs' names as the driver lists them.
func (h Host) models() []string {
	paths, _ := fs.Glob(h.Root, "proc/driver/nvidia/gpus/*/information")
	var models []string
	for _, p := range paths {
		for line := range strings.Lines(h.read(p)) {
			if name, value, ok := strings.Cut(line, ":"); ok && name == "Model" {
				models = append(models, strings.TrimSpace(value))
			}
		}
	}
	return models
}

// pciGPUs are the addresses of NVIDIA's display controllers (class 03).
func (h Host) pciGPUs() []string {
	const nvidia = "0x10de"
	paths, _ := fs.Glob(h.Root, "sys/bus/pci/devices/*/vendor")
	var found []string
	for _, p := range paths {
		dir := path.Dir(p)
		if h.read(p) == nvidia && strings.HasPrefix(h.read(dir+"/class"), "0x03") {
			found = append(found, path.Base(dir))
		}
	}
	slices.Sort(found)
	return found
}

// Both lines are seen: "NVRM version: NVIDIA UNIX Open Kernel Module for
// aarch64  580.95.05  Release Build" and "... x86_64 Kernel Module  550.54".
var driverVersion = regexp.MustCompile(`NVRM version:.*?\s(\d+\.\d+(?:\.\d+)?)\s`)

// driver reads the version of the kernel's driver. It is asked for only where
// there is a GPU, and never to build.
func (h Host) driver() Check {
	c := Check{Name: "driver", OK: true, Found: "none", Needed: "none to build; 580 or later to run CUDA 13"}
	m := driverVersion.FindStringSubmatch(h.read("proc/driver/nvidia/version") + "\n")
	switch {
	case m != nil:
		c.Found = m[1]
		if major, _, _ := kernelVersion(m[1]); major < 580 {
			c.OK = false
			c.Remedy = "before running the image here: apt install nvidia-driver-580-open (on a GX10, update DGX OS)"
		}
	case len(h.pciGPUs()) > 0:
		c.OK = false
		c.Remedy = "before running the image here: apt install nvidia-driver-580-open, then reboot"
	}
	return c
}

package sandbox

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestRealUbuntu runs this package's tests and the doctor in a virtual machine
// of Ubuntu 24.04, whose AppArmor restricts user namespaces and whose systemd
// delegates cgroups: as root, as an ordinary user who is refused, and as one
// who has installed the profile that the refusal prints. A wheel is built there under a clock years away.
func TestRealUbuntu(t *testing.T) {
	said := ubuntu(t, map[string]string{"sandbox.test": "./wheel/sandbox", "builder.test": "./wheel/builder", "sparkwheel": "./cmd/sparkwheel"}, "testdata/ubuntu-run")
	if got := said["restriction"]; strings.TrimSpace(got.out) != "1" {
		t.Fatalf("the restriction of user namespaces reads %q", got.out)
	}
	for step, wants := range map[string]map[string]string{
		"root-doctor":    {"namespaces": "true work as root", "apparmor": "true user namespaces are restricted, which does not affect root", "cgroups": "true cgroup v2", "overlay": "true works"},
		"refused-doctor": {"namespaces": "false refused in a user namespace: ", "apparmor": "false user namespaces are restricted, and sparkwheel has no profile"},
		"user-doctor":    {"namespaces": "true work in a user namespace", "apparmor": "true user namespaces are restricted, but not for sparkwheel", "overlay": "true works", "cgroups": "false none that is writablen"},
		"session-doctor": {"namespaces": "true work in a user namespace", "cgroups": "true cgroup v2"},
	} {
		found := checks(t, said[step])
		for name, want := range wants {
			if !strings.HasPrefix(found[name], want) {
				t.Errorf("%s says of %s %q, want %q", step, name, found[name], want)
			}
		}
	}
	refusal := checks(t, said["refused-doctor"])["remedy of namespaces"]
	for _, want := range []string{"1. run it as root: sudo sparkwheel", "2. install this profile as /etc/apparmor.d/sparkwheel", "profile sparkwheel /usr/local/bin/sparkwheel flags=(unconfined)", "3. build without isolation"} {
		if !strings.Contains(refusal, want) {
			t.Errorf("the refusal lacks %q:\n%s", want, refusal)
		}
	}
	if got := said["profile"]; got.status != "0" {
		t.Errorf("the printed profile was not taken:\n%s", got.out)
	}
	for step, limit := range map[string]MemoryControl{"root-tests": CgroupV2, "session-tests": CgroupV2, "user-tests": Watcher} {
		got := said[step]
		if got.status != "0" || strings.Contains(got.out, "\n--- SKIP: TestRunShowsOnePlace") {
			t.Errorf("%s:\n%s", step, got.out)
		}
		if want := "limited by " + string(limit); !strings.Contains(got.out, want) {
			t.Errorf("%s do not say %q:\n%s", step, want, got.out)
		}
		t.Logf("%s: %d passed, %d skipped", step, strings.Count(got.out, "--- PASS"), strings.Count(got.out, "--- SKIP"))
	}
	if got := said["another-time"]; got.status != "0" || !strings.Contains(got.out, "--- PASS: TestRealAnotherTime/") {
		t.Errorf("another-time:\n%s", got.out)
	}
	if got := said["refused-tests"]; got.status != "0" || !strings.Contains(got.out, "--- SKIP: TestRunShowsOnePlace") || !strings.Contains(got.out, "--- PASS: TestProbeAgreesWithRun") {
		t.Errorf("refused-tests:\n%s", got.out)
	}
}

// said is what one step of a run in the machine wrote, and how it ended.
type said struct{ out, status string }

// ubuntu builds programs (name -> package; a name that ends in .test gets the
// package's tests), and runs the script with them in the machine.
func ubuntu(t *testing.T, programs map[string]string, script string) map[string]said {
	t.Helper()
	if os.Getenv("SPARKWHEEL_E2E_REAL") == "" {
		t.Skip("boots a virtual machine, for minutes: set SPARKWHEEL_E2E_REAL=1")
	}
	for _, tool := range []string{"mmdebstrap", "qemu-system-x86_64", "mke2fs"} {
		if _, err := exec.LookPath(tool); err != nil || os.Geteuid() != 0 {
			t.Skipf("needs root and %s: %v", tool, err)
		}
	}
	payload := t.TempDir()
	for name, pkg := range programs {
		args := []string{"build", "-o", filepath.Join(payload, name), pkg}
		if strings.HasSuffix(name, ".test") {
			args = append([]string{"test", "-c"}, args[1:]...)
		}
		build := exec.CommandContext(t.Context(), "go", args...)
		build.Dir, build.Env = "../..", append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("building %s: %v\n%s", name, err, out)
		}
	}
	// What this host trusts, since the machine has the Internet by way of it.
	trusted, err := os.ReadFile(cmp.Or(os.Getenv("SSL_CERT_FILE"), "/etc/ssl/certs/ca-certificates.crt"))
	if err := errors.Join(err, os.WriteFile(filepath.Join(payload, "certificates"), trusted, 0o644)); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(script)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(payload, "run"), text, 0o755); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	vm := exec.CommandContext(t.Context(), "../../testdata/vm/vm", payload)
	vm.Stdout, vm.Stderr = &out, &out
	if err := vm.Run(); err != nil {
		t.Fatalf("the machine: %v\n%s", err, &out)
	}
	steps := map[string]said{}
	for _, m := range regexp.MustCompile(`(?ms)^== (\S+)$(.*?)^-- (\d+)$`).FindAllStringSubmatch(out.String(), -1) {
		steps[m[1]] = said{m[2], m[3]}
	}
	return steps
}

// checks are the doctor's answers: "true FOUND" or "false FOUND" by name.
func checks(t *testing.T, s said) map[string]string {
	t.Helper()
	var report struct {
		Hosts []struct {
			Checks []struct {
				Name, Found, Remedy string
				OK                  bool
			}
		}
	}
	if err := json.Unmarshal([]byte(s.out), &report); err != nil || len(report.Hosts) != 1 {
		t.Errorf("the doctor said %q: %v", s.out, err)
		return nil
	}
	found := map[string]string{}
	for _, c := range report.Hosts[0].Checks {
		found[c.Name], found["remedy of "+c.Name] = fmt.Sprint(c.OK, " ", c.Found), c.Remedy
	}
	return found
}

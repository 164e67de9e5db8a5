package registry_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/sparkwheel/sparkwheel/layer/registry"
)

// Real clients pull what was pushed to a real registry, and what Server serves.
func TestE2EClientsPull(t *testing.T) {
	if os.Getenv("SPARKWHEEL_E2E") != "1" {
		t.Skip("set SPARKWHEEL_E2E=1 to run it: it needs docker-registry, skopeo, podman, docker and Go's modules")
	}
	img, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{Architecture: "amd64", OS: "linux", RootFS: v1.RootFS{Type: "layers"}})
	if err != nil {
		t.Fatal(err)
	}
	layers, err := gzipped(t, 1000, 3<<20).Layers()
	if err != nil {
		t.Fatal(err)
	}
	if img, err = mutate.AppendLayers(img, layers...); err != nil {
		t.Fatal(err)
	}
	pushed := distribution(t) + "/team/app:v1"
	if _, err := client(t, registry.Options{Chunk: 1 << 20}).Push(t.Context(), tag(t, pushed), img, nil); err != nil {
		t.Fatal(err)
	}
	s := registry.NewServer()
	if err := s.AddImage("team/app", "v1", img); err != nil {
		t.Fatal(err)
	}
	id, err := img.ConfigName()
	if err != nil {
		t.Fatal(err)
	}
	served := serve(t, s) + "/team/app:v1"
	crane := craneProgram(t)
	docker := startDocker(t)
	for _, ref := range []string{pushed, served} {
		run(t, "skopeo", "copy", "--src-tls-verify=false", "docker://"+ref, "dir:"+filepath.Join(t.TempDir(), "d"))
		run(t, crane, "pull", "--insecure", ref, filepath.Join(t.TempDir(), "pulled.tar"))
		run(t, crane, "validate", "--insecure", "--remote", ref)
		if os.Getuid() == 0 {
			run(t, "podman", "--root", t.TempDir(), "--runroot", t.TempDir(), "--storage-driver", "vfs", "pull", "--tls-verify=false", ref)
		}
		if docker != nil {
			docker("pull", ref)
			if got := docker("image", "inspect", "--format", "{{.Id}}", ref); got != id.String() {
				t.Errorf("docker pulled %s, want %s", got, id)
			}
			docker("rmi", ref) // its layers too: the next pull brings them again
		}
	}
}

// run runs a client to its end and returns what it said. One that is not
// installed is told of and passed over.
func run(t *testing.T, program string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Logf("%s is not installed", program)
		return ""
	}
	out, err := exec.Command(program, args...).CombinedOutput()
	if err != nil {
		t.Errorf("%s %v: %v\n%s", program, args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// craneProgram is crane of the release that go.mod names, built where there is none.
func craneProgram(t *testing.T) string {
	t.Helper()
	if path, err := exec.LookPath("crane"); err == nil {
		return path
	}
	version := run(t, "go", "list", "-m", "-f", "{{.Version}}", "github.com/google/go-containerregistry")
	cmd := exec.Command("go", "install", "github.com/google/go-containerregistry/cmd/crane@"+version)
	dir := t.TempDir()
	cmd.Env = append(os.Environ(), "GOBIN="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building crane: %v\n%s", err, out)
	}
	return filepath.Join(dir, "crane")
}

// startDocker starts a dockerd with a store of its own and returns a client of
// it; nil without root or docker.
func startDocker(t *testing.T) func(args ...string) string {
	t.Helper()
	if os.Getuid() != 0 {
		return nil
	}
	if _, err := exec.LookPath("dockerd"); err != nil {
		t.Log("docker is left out: apt-get install docker.io")
		return nil
	}
	dir, err := os.MkdirTemp("", "sw") // the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := "unix://" + dir + "/s"
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	// Its mounts and processes end with it.
	cmd := exec.Command("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private",
		"dockerd", "--host", socket, "--data-root", dir+"/data", "--exec-root", dir+"/exec", "--pidfile", dir+"/pid",
		"--storage-driver", "vfs", "--iptables=false", "--ip-forward=false", "--bridge=none")
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	for range 150 {
		if exec.Command("docker", "--host", socket, "info").Run() == nil {
			return func(args ...string) string { return run(t, "docker", append([]string{"--host", socket}, args...)...) }
		}
		time.Sleep(200 * time.Millisecond)
	}
	text, _ := os.ReadFile(log.Name())
	t.Fatalf("dockerd does not answer:\n%s", text)
	return nil
}

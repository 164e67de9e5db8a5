package layer_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/sparkwheel/sparkwheel/layer"
	"github.com/sparkwheel/sparkwheel/layer/archive"
)

// archives are an image of wheels in both forms that runtimes load from a file.
func archives(t *testing.T) (img v1.Image, oci, docker string) {
	t.Helper()
	img, dir := wheelImage(t, layer.Gzip), t.TempDir()
	oci, docker = filepath.Join(dir, "oci.tar"), filepath.Join(dir, "docker.tar")
	if err := archive.WriteOCI(t.Context(), oci, "t", img); err != nil {
		t.Fatal(err)
	}
	if err := archive.WriteDocker(t.Context(), docker, "localhost/a/b:t", img); err != nil {
		t.Fatal(err)
	}
	return img, oci, docker
}

// diffIDs are the image's, as runtimes print them: what they have when every
// layer was taken, unpacked and found to be what the config says.
func diffIDs(t *testing.T, img v1.Image) string {
	t.Helper()
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, h := range config.RootFS.DiffIDs {
		list = append(list, h.String())
	}
	return "[" + strings.Join(list, " ") + "]"
}

// asRoot skips where the runtime is not installed or may not be started.
func asRoot(t *testing.T, name string) func(args ...string) string {
	t.Helper()
	run := tool(t, name)
	if os.Getuid() != 0 {
		t.Skipf("%s with state of its own needs root", name)
	}
	return run
}

// daemon runs a server for the time of the test and waits until it answers.
func daemon(t *testing.T, answers func() error, args ...string) {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), args[0], args[1:]...)
	c.Stdout, c.Stderr = log, log
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) }
	c.WaitDelay = 20 * time.Second
	if err := c.Start(); err != nil {
		t.Fatalf("starting %s: %v", args[0], err)
	}
	t.Cleanup(func() {
		_ = c.Process.Signal(syscall.SIGTERM)
		_ = c.Wait()
		log.Close()
	})
	for deadline := time.Now().Add(time.Minute); answers() != nil; time.Sleep(200 * time.Millisecond) {
		if time.Now().After(deadline) {
			text, _ := os.ReadFile(log.Name())
			t.Fatalf("%s does not answer: %v\n%.2000s", args[0], answers(), text)
		}
	}
}

func TestE2EPodmanLoads(t *testing.T) {
	t.Parallel()
	podman := asRoot(t, "podman")
	img, oci, docker := archives(t)
	for _, file := range []string{oci, docker} {
		// podman refuses a run directory of more than 50 characters.
		state, err := os.MkdirTemp("/tmp", "podman")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(state) })
		on := func(args ...string) string {
			return podman(append([]string{"--root", state + "/root", "--runroot", state + "/run", "--storage-driver", "vfs"}, args...)...)
		}
		on("load", "-q", "-i", file)
		id := strings.TrimSpace(on("images", "-q", "--no-trunc"))
		if got := strings.TrimSpace(on("image", "inspect", "--format", "{{.RootFS.Layers}}", id)); got != diffIDs(t, img) {
			t.Errorf("%s: podman has the layers %s, not %s", filepath.Base(file), got, diffIDs(t, img))
		}
		root := strings.TrimSpace(on("image", "mount", id))
		ours, err := unpack(t, img)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tree(t, ours), tree(t, root)); diff != "" {
			t.Errorf("%s: podman's root (-ours +podman's):\n%s", filepath.Base(file), diff)
		}
		on("image", "umount", id)
	}
}

func TestE2EContainerdImports(t *testing.T) {
	t.Parallel()
	asRoot(t, "containerd")
	ctr := tool(t, "ctr")
	img, oci, docker := archives(t)
	digest, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	state, err := os.MkdirTemp("", "ctr-") // its socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(state) })
	config := filepath.Join(state, "config.toml")
	text := fmt.Sprintf("version = 2\nroot = %q\nstate = %q\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n[grpc]\naddress = %q\n",
		state+"/root", state+"/state", state+"/sock")
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	daemon(t, func() error {
		return exec.CommandContext(t.Context(), "ctr", "-a", state+"/sock", "version").Run()
	}, "containerd", "-c", config)
	for name, file := range map[string]string{"oci": oci, "docker": docker} {
		on := func(args ...string) string {
			return ctr(append([]string{"-a", state + "/sock", "-n", name, "images"}, args...)...)
		}
		on("import", "--snapshotter", "native", "--all-platforms", "--base-name", "localhost/x", file)
		listed := on("check", "--snapshotter", "native")
		if !strings.Contains(listed, "complete") || name == "oci" && !strings.Contains(listed, digest.String()) {
			t.Errorf("%s: containerd has\n%s", name, listed)
		}
	}
}

func TestE2EDockerLoads(t *testing.T) {
	t.Parallel()
	asRoot(t, "dockerd")
	docker := tool(t, "docker")
	img, oci, file := archives(t)
	state, err := os.MkdirTemp("", "docker-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(state) })
	host := "unix://" + state + "/sock"
	daemon(t, func() error {
		return exec.CommandContext(t.Context(), "docker", "-H", host, "info").Run()
	}, "dockerd", "--host", host, "--data-root", state+"/data", "--exec-root", state+"/exec", "--pidfile", state+"/pid",
		"--iptables=false", "--ip6tables=false", "--bridge=none", "--storage-driver=vfs")
	files := []string{file}
	var major int
	if _, err := fmt.Sscanf(docker("-H", host, "version", "--format", "{{.Server.Version}}"), "%d.", &major); err == nil && major >= 25 {
		files = append(files, oci) // older ones know their own form alone
	}
	for _, file := range files {
		said := docker("-H", host, "load", "-q", "-i", file)
		_, id, _ := strings.Cut(strings.TrimSpace(said), "Loaded image")
		id = strings.TrimSpace(strings.TrimPrefix(strings.TrimPrefix(id, " ID"), ":"))
		if got := strings.TrimSpace(docker("-H", host, "image", "inspect", "--format", "{{.RootFS.Layers}}", id)); got != diffIDs(t, img) {
			t.Errorf("%s: docker has the layers %s, not %s", filepath.Base(file), got, diffIDs(t, img))
		}
	}
}

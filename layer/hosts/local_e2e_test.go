package hosts_test

import (
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/sparkwheel/sparkwheel/layer"
	"github.com/sparkwheel/sparkwheel/layer/archive"
	"github.com/sparkwheel/sparkwheel/layer/hosts"
)

// daemon runs a command until the test ends, and waits until ready succeeds.
func daemon(t *testing.T, env []string, ready func() error, args ...string) {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env, cmd.Stdout, cmd.Stderr = append(os.Environ(), env...), log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		stop := time.AfterFunc(20*time.Second, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
		_ = cmd.Wait()
		stop.Stop()
	})
	for deadline := time.Now().Add(time.Minute); ready() != nil; {
		if time.Now().After(deadline) {
			text, _ := os.ReadFile(log.Name())
			t.Fatalf("%s does not answer:\n%s", args[0], text)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// shortDir is a directory whose path leaves room for a socket's name.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sw")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func dockerAt(socket string) *hosts.Local {
	return &hosts.Local{DockerURL: "http://docker", Docker: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", socket)
		},
	}}}
}

// opened is the image that a name means, checked in full.
func opened(t *testing.T, found *hosts.Found, err error) (v1.Image, v1.Hash) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	img, pin, err := found.Open(t.Context(), dir, filepath.Join(dir, "cache"))
	if err != nil {
		t.Fatal(err)
	}
	if (found.Digest != v1.Hash{}) && found.Digest != pin {
		t.Errorf("found %s, opened %s", found.Digest, pin)
	}
	if err := validate.Image(img); err != nil {
		t.Error(err)
	}
	return img, pin
}

// made is an image in the archives that runtimes load, its ID and its digest.
func made(t *testing.T) (docker, oci string, id, digest v1.Hash) {
	t.Helper()
	img, err := layer.Scratch(v1.Platform{OS: "linux", Architecture: "amd64"})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range []string{"etc/a", "etc/b"} {
		blob, err := layer.Write(t.Context(), filepath.Join(dir, name), fstest.MapFS{name: {Data: []byte(strings.Repeat(name, 99)), Mode: 0o644}}, layer.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if img, err = layer.Append(img, layer.Config{Cmd: []string{"/none"}}, blob); err != nil {
			t.Fatal(err)
		}
	}
	docker, oci = filepath.Join(dir, "docker.tar"), filepath.Join(dir, "oci.tar")
	if err := archive.WriteDocker(t.Context(), docker, "localhost/made:v1", img); err != nil {
		t.Fatal(err)
	}
	if err := archive.WriteOCI(t.Context(), oci, "v1", img); err != nil {
		t.Fatal(err)
	}
	id, err = img.ConfigName()
	if err != nil {
		t.Fatal(err)
	}
	digest, err = img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return docker, oci, id, digest
}

// localDocker loads the image and finds it by name, by ID, and by its ID after
// the name has moved.
func localDocker(t *testing.T, l *hosts.Local, socket string, want v1.Hash, tar string) {
	t.Helper()
	docker := func(args ...string) { sh(t, append([]string{"docker", "-H", "unix://" + socket}, args...)...) }
	docker("load", "-q", "-i", tar)
	found, err := l.FindDocker(t.Context(), "localhost/made:v1", v1.Platform{})
	if _, pin := opened(t, found, err); pin != want {
		t.Errorf("pinned as %s, want %s", pin, want)
	}
	empty := filepath.Join(t.TempDir(), "empty.tar")
	if err := os.WriteFile(empty, make([]byte, 1024), 0o644); err != nil {
		t.Fatal(err)
	}
	docker("tag", "localhost/made:v1", "localhost/kept:v1")
	docker("import", empty, "localhost/made:v1")
	found, err = l.FindDocker(t.Context(), want.String(), v1.Platform{})
	if _, pin := opened(t, found, err); pin != want {
		t.Errorf("by its ID: %s, want %s", pin, want)
	}
	found, err = l.FindDocker(t.Context(), "localhost/made:v1", v1.Platform{})
	if _, pin := opened(t, found, err); pin == want {
		t.Errorf("a name that has moved means still %s", pin)
	}
	if _, err := l.FindDocker(t.Context(), "localhost/none:v1", v1.Platform{}); err == nil || !strings.Contains(err.Error(), "docker does not have the image") {
		t.Errorf("none of that name: %v", err)
	}
}

func TestE2ELocalDocker(t *testing.T) {
	needs(t, "docker", "dockerd")
	dir := shortDir(t)
	socket := filepath.Join(dir, "s")
	daemon(t, nil, func() error { return exec.Command("docker", "-H", "unix://"+socket, "info").Run() },
		"dockerd", "--iptables=false", "--ip6tables=false", "--bridge=none", "--storage-driver=vfs", "-H", "unix://"+socket,
		"--data-root", filepath.Join(dir, "data"), "--exec-root", filepath.Join(dir, "exec"), "--pidfile", filepath.Join(dir, "pid"))
	tar, _, id, _ := made(t)
	localDocker(t, dockerAt(socket), socket, id, tar)
}

func TestE2ELocalPodman(t *testing.T) {
	needs(t, "podman")
	dir := shortDir(t)
	conf := filepath.Join(dir, "storage.conf")
	text := "[storage]\ndriver=\"vfs\"\nrunroot=\"" + dir + "/run\"\ngraphroot=\"" + dir + "/store\"\n"
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	env := append(os.Environ(), "CONTAINERS_STORAGE_CONF="+conf)
	tar, _, id, _ := made(t)
	load := exec.Command("podman", "load", "-q", "-i", tar)
	load.Env = env
	if out, err := load.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	l := &hosts.Local{Env: env}
	for _, ref := range []string{"localhost/made:v1", "made:v1", id.String(), id.Hex[:12]} {
		found, err := l.FindPodman(t.Context(), ref)
		if _, pin := opened(t, found, err); pin != id {
			t.Errorf("%s is pinned as %s, want %s", ref, pin, id)
		}
	}
	if _, err := l.FindPodman(t.Context(), "localhost/none:v1"); err == nil || !strings.Contains(err.Error(), "podman does not have the image") {
		t.Errorf("none of that name: %v", err)
	}
}

func TestE2ELocalContainerd(t *testing.T) {
	needs(t, "containerd", "ctr")
	dir := shortDir(t)
	config := filepath.Join(dir, "config.toml")
	text := "version = 2\nroot = \"" + dir + "/root\"\nstate = \"" + dir + "/state\"\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n[grpc]\naddress = \"" + dir + "/s\"\n"
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	env := append(os.Environ(), "CONTAINERD_ADDRESS="+dir+"/s", "CONTAINERD_NAMESPACE=wheels")
	ctr := func(args ...string) error {
		cmd := exec.Command("ctr", args...)
		cmd.Env = env
		return cmd.Run()
	}
	daemon(t, nil, func() error { return ctr("version") }, "containerd", "--config", config)
	_, oci, _, digest := made(t)
	if err := ctr("images", "import", "--no-unpack", "--base-name", "docker.io/library/made", oci); err != nil {
		t.Fatal(err)
	}
	l := &hosts.Local{Env: env}
	for _, ref := range []string{"docker.io/library/made:v1", "made:v1", digest.String()} {
		found, err := l.FindContainerd(t.Context(), ref, v1.Platform{})
		img, pin := opened(t, found, err)
		if got, _ := img.Digest(); pin != digest || got != digest {
			t.Errorf("%s is pinned as %s and is %s, want %s", ref, pin, got, digest)
		}
	}
	if _, err := l.FindContainerd(t.Context(), "none:v1", v1.Platform{}); err == nil || !strings.Contains(err.Error(), "containerd does not have the image") {
		t.Errorf("none of that name: %v", err)
	}
	found, err := l.FindContainerd(t.Context(), "made:v1", v1.Platform{})
	img, _ := opened(t, found, err)
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	gone, _ := layers[0].Digest()
	if err := ctr("content", "rm", gone.String()); err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(img); err == nil || !strings.Contains(err.Error(), "containerd no longer has "+gone.String()) {
		t.Errorf("a layer that is gone: %v", err)
	}
}

// Docker 26, with its own store and with containerd's, in a Debian trixie.
func TestE2ELocalDocker26(t *testing.T) {
	needs(t, "docker", "unshare", "mmdebstrap")
	dir := shortDir(t)
	root := filepath.Join(dir, "trixie")
	sh(t, "mmdebstrap", "--variant=minbase", "--dpkgopt=force-unsafe-io", "--include=docker.io,containerd", "trixie", root)
	tar, oci, id, digest := made(t)
	for name, test := range map[string]struct {
		config, archive string
		want            v1.Hash
	}{
		"classic":     {`{"storage-driver":"vfs"}`, tar, id},
		"snapshotter": {`{"features":{"containerd-snapshotter":true}}`, oci, digest},
	} {
		t.Run(name, func(t *testing.T) {
			here := shortDir(t)
			socket := filepath.Join(here, "s")
			daemon(t, nil, func() error { return exec.Command("docker", "-H", "unix://"+socket, "info").Run() },
				"unshare", "--mount", "sh", "-euc", `
mkdir $2/own && mount -t tmpfs none $2/own && mkdir $2/own/upper $2/own/work $2/own/root
root=$2/own/root
mount -t overlay -o "lowerdir=$1,upperdir=$2/own/upper,workdir=$2/own/work" none $root
mount -t proc none $root/proc
mount --rbind /sys $root/sys
mount --rbind /dev $root/dev
mount -t tmpfs none $root/run
mkdir -p $root$2 $root/var/lib/docker $root/etc/docker
mount --bind $2 $root$2
mount -t tmpfs none $root/var/lib/docker
echo "$3" >$root/etc/docker/daemon.json
exec chroot $root dockerd --iptables=false --ip6tables=false --bridge=none -H unix://$2/s`, "sh", root, here, test.config)
			if name == "snapshotter" {
				sh(t, "docker", "-H", "unix://"+socket, "load", "-q", "-i", test.archive)
				sh(t, "docker", "-H", "unix://"+socket, "tag", test.want.String(), "localhost/made:v1")
			}
			localDocker(t, dockerAt(socket), socket, test.want, test.archive)
		})
	}
}

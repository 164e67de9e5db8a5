package hosts_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/sparkwheel/sparkwheel/layer/hosts"
	"github.com/sparkwheel/sparkwheel/layer/layout"
)

// needs skips the test unless it runs as root with all these programs.
func needs(t *testing.T, programs ...string) {
	t.Helper()
	if os.Getenv("SPARKWHEEL_E2E") != "1" {
		t.Skip("set SPARKWHEEL_E2E=1 to run it: it starts sshd and container runtimes")
	}
	if os.Getuid() != 0 {
		t.Skip("network namespaces for the hosts need root")
	}
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			t.Skipf("%s is not installed: apt-get install openssh-server iproute2 docker.io containerd podman", p)
		}
	}
}

// cluster is a set of hosts, each a network and a mount namespace with an sshd
// and one container runtime in it.
type cluster struct {
	dir   string
	root  string // what hosts with a system of their own start from; empty for this machine's
	hosts map[string]*node
}

type node struct {
	addr string
	cmd  *exec.Cmd
}

// setup is what runs on a host: state of its own on tmpfs, one runtime, sshd.
const setup = `
set -e
ip link set lo up
if [ -n "$3" ]; then # a host with a system of its own
  root=$2/root
  mkdir $root $2/own && mount -t tmpfs none $2/own && mkdir $2/own/upper $2/own/work
  mount -t overlay -o "lowerdir=$3,upperdir=$2/own/upper,workdir=$2/own/work" none $root
  mount -t proc none $root/proc
  mount --rbind /sys $root/sys
  mount --rbind /dev $root/dev
  mount -t tmpfs none $root/run
  mkdir -p $root$2 $root/run/sshd $root/var/lib/docker $root/etc/docker
  mount --bind $2 $root$2
  mount -t tmpfs none $root/var/lib/docker
  case $1 in
  docker26) echo '{"storage-driver":"vfs"}' ;;
  snapshotter) echo '{"features":{"containerd-snapshotter":true}}' ;;
  esac >$root/etc/docker/daemon.json
  chroot $root dockerd --iptables=false --ip6tables=false --bridge=none >$2/docker.log 2>&1 &
  until chroot $root docker info >/dev/null 2>&1; do sleep .2; done
  exec chroot $root /usr/sbin/sshd -D -e -f $2/sshd_config
fi
mount -t tmpfs none /run
mount -t tmpfs none /var/lib/docker 2>/dev/null || { mkdir -p /var/lib/docker; mount -t tmpfs none /var/lib/docker; }
mkdir -p /var/lib/containerd /var/lib/containers /run/sshd /run/lock
mount -t tmpfs none /var/lib/containerd
mount -t tmpfs none /var/lib/containers
case $1 in
docker)
  dockerd --iptables=false --bridge=none --storage-driver=vfs >$2/docker.log 2>&1 &
  until docker info >/dev/null 2>&1; do sleep .2; done ;;
containerd)
  mount --bind /dev/null "$(command -v podman)"
  containerd >$2/containerd.log 2>&1 &
  until ctr version >/dev/null 2>&1; do sleep .2; done ;;
podman)
  cp -a /etc/containers $2/etc
  printf '[storage]\ndriver="vfs"\nrunroot="/run/containers"\ngraphroot="/var/lib/containers/storage"\n' >$2/etc/storage.conf
  mount --bind $2/etc /etc/containers ;;
esac
exec /usr/sbin/sshd -D -e -f $2/sshd_config
`

func start(t *testing.T, runtimes ...string) *cluster {
	t.Helper()
	needs(t, "ip", "unshare", "ssh-keygen", "sshd", "ssh", "docker", "dockerd", "containerd", "ctr", "podman")
	return startIn(t, "", runtimes...)
}

func startIn(t *testing.T, root string, runtimes ...string) *cluster {
	t.Helper()
	dir, err := os.MkdirTemp("", "sw")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	c := &cluster{dir: dir, root: root, hosts: map[string]*node{}}
	sh(t, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(dir, "id"))
	sh(t, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(dir, "other"))
	for i, r := range runtimes {
		c.start(t, i, r)
	}
	c.configure(t)
	return c
}

func (c *cluster) start(t *testing.T, i int, runtime string) {
	t.Helper()
	ns := fmt.Sprintf("sw%d-%d", os.Getpid()%10000, i)
	here, there := fmt.Sprintf("10.231.%d.1", i), fmt.Sprintf("10.231.%d.2", i)
	veth := fmt.Sprintf("sw%d", i)
	exec.Command("ip", "link", "del", veth).Run()
	sh(t, "ip", "netns", "add", ns)
	t.Cleanup(func() { exec.Command("ip", "netns", "del", ns).Run() })
	sh(t, "ip", "link", "add", veth, "type", "veth", "peer", "name", "eth0", "netns", ns)
	sh(t, "ip", "addr", "add", here+"/24", "dev", veth)
	sh(t, "ip", "link", "set", veth, "up")
	sh(t, "ip", "netns", "exec", ns, "ip", "addr", "add", there+"/24", "dev", "eth0")
	sh(t, "ip", "netns", "exec", ns, "ip", "link", "set", "eth0", "up")
	host := filepath.Join(c.dir, runtime)
	if err := os.Mkdir(host, 0o755); err != nil {
		t.Fatal(err)
	}
	sh(t, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(host, "key"))
	conf := fmt.Sprintf("HostKey %s/key\nAuthorizedKeysFile %s/authorized\nListenAddress %s\nUsePAM no\nStrictModes no\nPidFile none\nPermitRootLogin yes\n", host, host, there)
	sh(t, "cp", filepath.Join(c.dir, "id.pub"), filepath.Join(host, "authorized"))
	write(t, filepath.Join(host, "sshd_config"), conf)
	// Its own process namespace: the end of its first process ends the host.
	cmd := exec.Command("nsenter", "--net=/run/netns/"+ns, "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
		"--propagation", "private", "sh", "-c", setup, "sh", runtime, host, c.root)
	log, err := os.Create(filepath.Join(host, "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	n := &node{there, cmd}
	c.hosts[runtime] = n
	t.Cleanup(func() {
		n.kill()
		log.Close()
		if t.Failed() {
			text, _ := os.ReadFile(log.Name())
			daemon, _ := os.ReadFile(filepath.Join(host, runtime+".log"))
			t.Logf("%s said\n%s%s", runtime, text, daemon[max(0, len(daemon)-4000):])
		}
	})
	for range 300 {
		conn, err := net.DialTimeout("tcp", there+":22", time.Second)
		if err == nil {
			conn.Close()
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	text, _ := os.ReadFile(log.Name())
	t.Fatalf("%s does not come up:\n%s", runtime, text)
}

// kill pulls the host's plug.
func (n *node) kill() {
	syscall.Kill(-n.cmd.Process.Pid, syscall.SIGKILL)
	n.cmd.Wait()
}

// configure writes what the user's ~/.ssh would hold: names, keys, and for the
// name "impostor" another host's key.
func (c *cluster) configure(t *testing.T) {
	t.Helper()
	var conf, known strings.Builder
	for r, n := range c.hosts {
		fmt.Fprintf(&conf, "Host %s\n  HostName %s\n", r, n.addr)
		key, err := os.ReadFile(filepath.Join(c.dir, r, "key.pub"))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&known, "%s %s", n.addr, key)
	}
	wrong, err := os.ReadFile(filepath.Join(c.dir, "other.pub"))
	if err != nil {
		t.Fatal(err)
	}
	if podman := c.hosts["podman"]; podman != nil {
		fmt.Fprintf(&conf, "Host impostor\n  HostName %s\n  HostKeyAlias impostor\n", podman.addr)
	}
	fmt.Fprintf(&known, "impostor %s", wrong)
	fmt.Fprintf(&conf, "Host *\n  User root\n  IdentityFile %s/id\n  UserKnownHostsFile %s/known\n  GlobalKnownHostsFile /dev/null\n  LocalForward 22222 127.0.0.1:22\n", c.dir, c.dir)
	write(t, filepath.Join(c.dir, "config"), conf.String())
	write(t, filepath.Join(c.dir, "known"), known.String())
}

func (c *cluster) loader() *hosts.Loader {
	return &hosts.Loader{
		Dialer: &hosts.SSH{Args: []string{"-F", filepath.Join(c.dir, "config")}, Env: os.Environ(), Dir: c.dir},
		Now:    time.Now,
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func sh(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %v: %s", args, err, out)
	}
}

func tarLayer(t *testing.T, size int64) v1.Layer {
	t.Helper()
	l, err := random.Layer(size, types.DockerLayer)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func imageOf(t *testing.T, layers ...v1.Layer) v1.Image {
	t.Helper()
	img, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{Architecture: "amd64", OS: "linux", RootFS: v1.RootFS{Type: "layers"}})
	if err == nil {
		img, err = mutate.AppendLayers(img, layers...)
	}
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func tagOf(t *testing.T, s string) name.Tag {
	t.Helper()
	tag, err := name.NewTag(s)
	if err != nil {
		t.Fatal(err)
	}
	return tag
}

// The first copy brings all, the second only the wheel that changed, the third
// nothing, to each runtime.
func TestE2ECopy(t *testing.T) {
	runtimes := []string{"docker", "podman", "containerd"}
	c := start(t, runtimes...)
	last, tag := c.copies(t, runtimes)
	l := c.loader()
	l.Dialer.(*hosts.SSH).Via = map[string]string{"docker": c.hosts["docker"].addr}
	if r := l.Load(t.Context(), last, tag, []string{"docker"})[0]; r.Err != nil {
		t.Errorf("via another address: %v", r.Err)
	}
	c.command(t, last, runtimes)
}

// command copies by the program itself, under another tag: the hosts have all
// of it, and what is sent is less than a wheel by far.
func (c *cluster) command(t *testing.T, img v1.Image, runtimes []string) {
	t.Helper()
	program, dir := filepath.Join(c.dir, "sparkwheel"), filepath.Join(c.dir, "image")
	sh(t, "go", "build", "-o", program, "github.com/sparkwheel/sparkwheel/cmd/sparkwheel")
	if _, err := layout.Write(t.Context(), dir, "latest", img); err != nil {
		t.Fatal(err)
	}
	args := []string{"copy", "--json", "--store", filepath.Join(c.dir, "store"), "--ssh-config", filepath.Join(c.dir, "config"),
		"--image", "oci:" + dir, "--tag", "vllm-node", "--via", "docker=" + c.hosts["docker"].addr}
	cmd := exec.Command(program, append(args, runtimes...)...)
	cmd.Stderr = t.Output()
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Hosts []struct {
			Host, Runtime, Error string
			BytesSent            int64 `json:"bytes_sent"`
			BytesSkipped         int64 `json:"bytes_skipped"`
		}
	}
	if err := json.Unmarshal(out, &doc); err != nil {
		t.Fatal(err)
	}
	if len(doc.Hosts) != len(runtimes) {
		t.Fatalf("it copied to %d hosts, want %d:\n%s", len(doc.Hosts), len(runtimes), out)
	}
	for i, h := range doc.Hosts {
		if h.Host != runtimes[i] || !strings.HasPrefix(h.Runtime, runtimes[i]+" ") || h.Error != "" || h.BytesSent > 64<<10 || h.BytesSkipped < 1<<20 {
			t.Errorf("copied %+v", h)
		}
	}
}

// copies holds what each of the hosts must receive, and returns what it has at
// the end.
func (c *cluster) copies(t *testing.T, runtimes []string) (v1.Image, name.Tag) {
	t.Helper()
	const baseSize, wheelSize = 24 << 20, 8 << 20
	base, torch, vllm := tarLayer(t, baseSize), tarLayer(t, wheelSize), tarLayer(t, wheelSize)
	tag := tagOf(t, "registry.example/team/vllm-node:latest")
	steps := []struct {
		name       string
		img        v1.Image
		sent, have int64
	}{
		{"first", imageOf(t, base, torch, vllm), baseSize + 2*wheelSize, 0},
		{"one wheel changed", imageOf(t, base, torch, tarLayer(t, wheelSize)), wheelSize, baseSize + wheelSize},
	}
	for _, s := range steps {
		for i, r := range c.loader().Load(t.Context(), s.img, tag, runtimes) {
			t.Logf("%s, %s: sent %d, skipped %d, %s", s.name, r.Runtime, r.Sent, r.Skipped, r.Took.Round(time.Millisecond))
			if r.Err != nil {
				t.Errorf("%s, %s: %v", s.name, runtimes[i], r.Err)
				continue
			}
			if !within(r.Sent, s.sent, 5) {
				t.Errorf("%s, %s: sent %d bytes, want %d within 5 %%", s.name, r.Runtime, r.Sent, s.sent)
			}
			if !within(r.Skipped, s.have, 5) {
				t.Errorf("%s, %s: skipped %d bytes, want %d within 5 %%", s.name, r.Runtime, r.Skipped, s.have)
			}
		}
	}
	for _, r := range c.loader().Load(t.Context(), steps[1].img, tag, runtimes) {
		if r.Err != nil || r.Sent != 0 {
			t.Errorf("%s: the same again sent %d bytes, error %v", r.Runtime, r.Sent, r.Err)
		}
	}
	return steps[1].img, tag
}

func within(got, want, percent int64) bool {
	return got >= want-want*percent/100 && got <= want+want*percent/100
}

// A host that dies half way and one with another's key fail by name; the third
// gets the image all the same.
func TestE2ECopyFailures(t *testing.T) {
	c := start(t, "docker", "podman")
	l := c.loader()
	var once sync.Once
	l.Progress = func(host string, done, _ int64) {
		if host == "docker" && done > 4<<20 {
			once.Do(c.hosts["docker"].kill)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	got := l.Load(ctx, imageOf(t, tarLayer(t, 24<<20)), tagOf(t, "app:v1"), []string{"docker", "impostor", "podman", "-oProxyCommand=false"})
	if got[0].Err == nil {
		t.Error("the host that died succeeded")
	}
	if _, ok := errors.AsType[*hosts.ConnectError](got[1].Err); !ok || !strings.Contains(got[1].Err.Error(), "accept its key with `ssh impostor`") {
		t.Errorf("the wrong host key gave %v", got[1].Err)
	}
	if got[2].Err != nil {
		t.Errorf("podman: %v", got[2].Err)
	}
	if got[3].Err == nil {
		t.Error("an option was taken for a host")
	}
	t.Logf("died: %v", got[0].Err)
}

package hosts_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Docker 26, with its own store and with containerd's, each in a Debian trixie
// of its own.
func TestE2ECopyDocker26(t *testing.T) {
	needs(t, "ip", "unshare", "ssh-keygen", "ssh", "mmdebstrap")
	root := filepath.Join(t.TempDir(), "trixie")
	sh(t, "mmdebstrap", "--variant=minbase", "--dpkgopt=force-unsafe-io", "--include=docker.io,docker-cli,containerd,openssh-server", "trixie", root)
	runtimes := []string{"docker26", "snapshotter"}
	c := startIn(t, root, runtimes...)
	_, tag := c.copies(t, runtimes)
	for _, r := range runtimes {
		out, err := exec.Command("ssh", "-F", filepath.Join(c.dir, "config"), r, "docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", "--filter", "dangling=false").CombinedOutput()
		if err != nil {
			t.Fatal(err)
		}
		// The name with the tunnel's port in it is gone.
		if got := strings.TrimSpace(string(out)); got != tag.Name() {
			t.Errorf("%s lists %q, want %s alone", r, got, tag)
		}
	}
}

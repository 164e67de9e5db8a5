package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

const sshd = "/usr/sbin/sshd"

// conditions are the script conditions beside testscript's own: [sshd] is
// whether the command sshserver works here, in a run of the e2e tests.
func conditions(name string) (bool, error) {
	if name != "sshd" {
		return false, fmt.Errorf("no condition %q", name)
	}
	if os.Getenv("SPARKWHEEL_E2E") == "" {
		return false, nil // many connections of ssh take seconds
	}
	for _, program := range []string{sshd, "ssh", "ssh-keygen", "ssh-agent"} {
		if _, err := exec.LookPath(program); err != nil {
			return false, nil
		}
	}
	return true, nil
}

// sshServer is the script command `sshserver`: it starts an sshd on loopback
// that lets the key $WORK/ssh/key in. $SSHCONFIG is a configuration of ssh by
// which the host "forge" is that server, $SSHURL its URL without a path.
func sshServer(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: sshserver")
	}
	dir := ts.MkAbs("ssh")
	ts.Check(os.Mkdir(dir, 0o700))
	for _, key := range []string{"key", "other", "host"} {
		ts.Check(ts.Exec("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(dir, key)))
	}
	port := freePort(ts)
	write := func(name, text string) { ts.Check(os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600)) }
	write("authorized", ts.ReadFile("ssh/key.pub"))
	write("sshd_config", fmt.Sprintf("ListenAddress 127.0.0.1:%d\nHostKey %[2]s/host\nAuthorizedKeysFile %[2]s/authorized\n"+
		"StrictModes no\nUsePAM no\nPasswordAuthentication no\nPidFile none\nPermitRootLogin yes\n", port, dir))
	who, err := user.Current()
	ts.Check(err)
	host := strings.Join(strings.Fields(ts.ReadFile("ssh/host.pub"))[:2], " ")
	write("known", fmt.Sprintf("[127.0.0.1]:%d %s\n", port, host))
	write("config", fmt.Sprintf("Host forge\n  HostName 127.0.0.1\n  Port %d\nHost *\n  User %s\n  IdentityFile %[3]s/key\n"+
		"  IdentitiesOnly yes\n  UserKnownHostsFile %[3]s/known\n", port, who.Username, dir))
	if os.Getuid() == 0 {
		ts.Check(os.MkdirAll("/run/sshd", 0o755)) // sshd separates itself into it
	}
	cmd := exec.Command(sshd, "-D", "-f", filepath.Join(dir, "sshd_config"), "-E", filepath.Join(dir, "log"))
	ts.Check(cmd.Start())
	ts.Defer(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for range 200 {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			ts.Check(conn.Close())
			ts.Setenv("SSHCONFIG", filepath.Join(dir, "config"))
			ts.Setenv("SSHURL", fmt.Sprintf("ssh://%s@127.0.0.1:%d", who.Username, port))
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	ts.Fatalf("sshd does not answer: %s", ts.ReadFile("ssh/log"))
}

func freePort(ts *testscript.TestScript) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

package main

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDockerHost: docker is looked for where its own client would.
func TestDockerHost(t *testing.T) {
	t.Parallel()
	write := func(home, name, text string) {
		path := filepath.Join(home, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	sum := sha256.Sum256([]byte("rootless"))
	meta := "contexts/meta/" + hex.EncodeToString(sum[:]) + "/meta.json"
	const rootless = `{"Name":"rootless","Endpoints":{"docker":{"Host":"unix:///run/user/1000/docker.sock"}}}`
	for name, test := range map[string]struct {
		env   map[string]string
		files map[string]string
		want  string // the address, or part of the error
		url   string
	}{
		"nothing set":          {nil, nil, "unix:///var/run/docker.sock", "http://docker"},
		"DOCKER_HOST":          {map[string]string{"DOCKER_HOST": "tcp://box:2375"}, map[string]string{".docker/config.json": `{"currentContext":"rootless"}`}, "tcp://box:2375", "http://box:2375"},
		"the context in use":   {nil, map[string]string{".docker/config.json": `{"currentContext":"rootless"}`, ".docker/" + meta: rootless}, "unix:///run/user/1000/docker.sock", "http://docker"},
		"DOCKER_CONTEXT":       {map[string]string{"DOCKER_CONTEXT": "rootless"}, map[string]string{".docker/" + meta: rootless}, "unix:///run/user/1000/docker.sock", "http://docker"},
		"the default context":  {map[string]string{"DOCKER_CONTEXT": "default"}, map[string]string{".docker/config.json": `{"currentContext":"rootless"}`}, "unix:///var/run/docker.sock", "http://docker"},
		"DOCKER_CONFIG":        {map[string]string{"DOCKER_CONFIG": "HOME/other"}, map[string]string{"other/config.json": `{"currentContext":"rootless"}`, "other/" + meta: rootless}, "unix:///run/user/1000/docker.sock", "http://docker"},
		"no such context":      {map[string]string{"DOCKER_CONTEXT": "none"}, nil, `docker's context "none"`, ""},
		"a broken config.json": {nil, map[string]string{".docker/config.json": `{`}, "config.json", ""},
		"over ssh":             {map[string]string{"DOCKER_HOST": "ssh://box"}, nil, "docker-archive:FILE", ""},
		"TLS without files":    {map[string]string{"DOCKER_HOST": "tcp://box:2376", "DOCKER_TLS_VERIFY": "1"}, nil, "docker's certificates", ""},
	} {
		t.Run(name, func(t *testing.T) {
			home := t.TempDir()
			for file, text := range test.files {
				write(home, file, text)
			}
			a := &app{environment: environment{Getenv: func(key string) string {
				if key == "HOME" {
					return home
				}
				return strings.ReplaceAll(test.env[key], "HOME", home)
			}}}
			where, err := a.dockerHost()
			_, url, clientErr := a.dockerClient()
			if test.url == "" {
				if clientErr == nil || !strings.Contains(clientErr.Error(), test.want) {
					t.Errorf("%v, not %q", clientErr, test.want)
				}
				return
			}
			if err != nil || clientErr != nil || where != test.want || url != test.url {
				t.Errorf("%s at %s, want %s at %s: %v, %v", where, url, test.want, test.url, err, clientErr)
			}
		})
	}
}

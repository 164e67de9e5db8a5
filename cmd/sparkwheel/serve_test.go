package main

import (
	"bufio"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/sparkwheel/sparkwheel/layer/layout"
)

// What serve prints can be pulled as printed, until it is interrupted.
func TestServe(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	img, err := random.Image(1000, 2)
	if err != nil {
		t.Fatal(err)
	}
	for _, tag := range []string{"v1", "v2"} {
		if _, err := layout.Write(t.Context(), filepath.Join(dir, "Image"), tag, img); err != nil {
			t.Fatal(err)
		}
	}
	ctx, interrupt := context.WithCancel(t.Context())
	r, w := io.Pipe()
	code := make(chan int)
	go func() {
		code <- run(ctx, []string{"serve", "--store", dir + "/store", "--listen", "127.0.0.1:0", "oci:" + dir + "/Image"}, environment{
			Getenv: func(string) string { return "" }, Stdin: strings.NewReader(""), Stdout: w, Stderr: os.Stderr,
		})
	}()
	lines := bufio.NewScanner(r)
	for _, tag := range []string{"v1", "v2"} {
		if !lines.Scan() {
			t.Fatal("serve printed too little")
		}
		printed, digest, _ := strings.Cut(lines.Text(), "@")
		if !strings.HasSuffix(printed, "/image:"+tag) {
			t.Errorf("printed %q, want /image:%s", lines.Text(), tag)
		}
		for _, s := range []string{printed, strings.TrimSuffix(printed, ":"+tag) + "@" + digest} {
			ref, err := name.ParseReference(s)
			if err != nil {
				t.Fatal(err)
			}
			got, err := remote.Image(ref, remote.WithPlatform(v1.Platform{OS: "linux", Architecture: "amd64"}))
			if err != nil {
				t.Fatal(err)
			}
			if err := validate.Image(got); err != nil {
				t.Error(err)
			}
		}
	}
	interrupt()
	if got := <-code; got != codeDone {
		t.Errorf("interrupted, serve ended with %d, want %d", got, codeDone)
	}
}

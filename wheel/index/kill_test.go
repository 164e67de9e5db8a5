package index_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/wheel/index"
)

// TestMain is a fetching process when fetchInChild started it.
func TestMain(m *testing.M) {
	if dir := os.Getenv("INDEX_TEST_FETCH"); dir != "" {
		os.Exit(fetchAsChild(dir))
	}
	os.Exit(m.Run())
}

// fetchAsChild fetches the pins on stdin into dir and prints what it did.
func fetchAsChild(dir string) int {
	var pins []index.Pin
	if err := json.NewDecoder(os.Stdin).Decode(&pins); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	done, err := client().Fetch(context.Background(), pins, dir, 4, nil)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if err := json.NewEncoder(os.Stdout).Encode(done); err != nil {
		return 1
	}
	return 0
}

// fetchInChild starts a process that fetches, and kills it after a while; 0
// lets it come to its end.
func fetchInChild(t *testing.T, pins []index.Pin, dir string, kill time.Duration) (done index.Fetched, killed bool) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	in, err := json.Marshal(pins)
	if err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), "INDEX_TEST_FETCH="+dir)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(in), &out, &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if kill > 0 {
		timer := time.AfterFunc(kill, func() { cmd.Process.Kill() })
		defer timer.Stop()
	}
	if err := cmd.Wait(); err != nil {
		if cmd.ProcessState.ExitCode() >= 0 {
			t.Fatalf("fetching: %v\n%s", err, errs.Bytes())
		}
		return done, true
	}
	if err := json.Unmarshal(out.Bytes(), &done); err != nil {
		t.Fatalf("%v in %q", err, out.Bytes())
	}
	return done, false
}

// TestFetchAfterKills kills a fetching process again and again: each next one
// goes on where the last was.
func TestFetchAfterKills(t *testing.T) {
	t.Parallel()
	d := newDepot(t, []int{4 << 20, 3 << 20, 3 << 20, 2 << 20, 2 << 20, 1 << 20, 1000, 0}, 4*time.Millisecond)
	dir := t.TempDir()
	random := rand.New(rand.NewPCG(1, 2))
	kills := 0
	for range 6 {
		before := onDisk(t, dir)
		_, killed := fetchInChild(t, d.pins, dir, time.Duration(60+random.IntN(140))*time.Millisecond)
		if killed {
			kills++
		}
		if after := onDisk(t, dir); after < before {
			t.Errorf("a kill lost %d bytes that were here", before-after)
		}
	}
	here := onDisk(t, dir)
	done, _ := fetchInChild(t, d.pins, dir, 0)
	if kills == 0 {
		t.Fatal("no process was killed while it fetched")
	}
	if want := done.Bytes - here; done.Received != want {
		t.Errorf("with %d of %d bytes here, %d were fetched, not the missing %d", here, done.Bytes, done.Received, want)
	}
	again, _ := fetchInChild(t, d.pins, dir, 0)
	if diff := cmp.Diff(index.Fetched{Files: 8, Present: 8, Bytes: done.Bytes}, again); diff != "" {
		t.Errorf("once more (-want +got):\n%s", diff)
	}
	for i, pin := range d.pins {
		if !pin.Present(dir) {
			t.Errorf("file %d is missing", i)
		}
	}
	// What the server sent and no client took over stood in socket buffers.
	if sent, most := d.sent.Load(), done.Bytes+int64(kills)*4*(2<<20); sent > most {
		t.Errorf("the server sent %d bytes for %d with %d kills", sent, done.Bytes, kills)
	}
	t.Logf("%d kills, %d bytes, sent %d", kills, done.Bytes, d.sent.Load())
}

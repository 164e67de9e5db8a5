package truth_test

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/requirements"
	"github.com/sparkwheel/sparkwheel/wheel"
	"github.com/sparkwheel/sparkwheel/wheel/truth"
)

const lying = "Metadata-Version: 2.1\r\nName: vllm\r\nVersion: 0.22.1\r\nRequires-Dist: numpy\r\n" +
	"Requires-Dist: torch == 2.10.0\r\nrequires-dist:torch<2.11,\r\n  >=2 ; python_version > '3'\r\n" +
	"Requires-Dist: torch==2.10.0; sys_platform == 'win32'\r\n\r\nRequires-Dist: torch==2.10.0 is what the body says.\r\n"

func lies(t *testing.T) ([]truth.Fault, []truth.Used) {
	t.Helper()
	used := []truth.Used{{Name: "torch", Version: parse(t, "2.11.0+cu130")}}
	d := dist(t, "vllm 0.22.1", "numpy", "torch == 2.10.0", "torch<2.11,>=2; python_version > '3'", "torch==2.10.0; sys_platform == 'win32'")
	return truth.Built(d, used, gx10), used
}

func TestRepair(t *testing.T) {
	t.Parallel()
	faults, used := lies(t)
	got, changes, err := truth.Repair("METADATA", []byte(lying), faults, used)
	if err != nil {
		t.Fatal(err)
	}
	want := "Metadata-Version: 2.1\r\nName: vllm\r\nVersion: 0.22.1\r\nRequires-Dist: numpy\r\n" +
		"Requires-Dist: torch == 2.11.0\r\nrequires-dist:torch==2.11.0 ; python_version > '3'\r\n" +
		"Requires-Dist: torch==2.10.0; sys_platform == 'win32'\r\n\r\nRequires-Dist: torch==2.10.0 is what the body says.\r\n"
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("METADATA (-want +got):\n%s", diff)
	}
	wantChanges := []requirements.Change{
		{File: "METADATA", Line: 5, Before: "Requires-Dist: torch == 2.10.0", After: "Requires-Dist: torch == 2.11.0", Rule: "repair"},
		{File: "METADATA", Line: 6, Before: "requires-dist:torch<2.11,\r\n  >=2 ; python_version > '3'", After: "requires-dist:torch==2.11.0 ; python_version > '3'", Rule: "repair"},
	}
	if diff := cmp.Diff(wantChanges, changes); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	if _, _, err := truth.Repair("METADATA", []byte("Name: vllm\n\n"), faults, used); err == nil {
		t.Error("a METADATA without the requirement was repaired")
	}
}

func TestRepairRecord(t *testing.T) {
	t.Parallel()
	const record = "a.py,sha256=x,1\r\n\"b,c.py\",sha256=y,2\r\nd.dist-info/METADATA,sha256=old,3\nd.dist-info/RECORD,,\n"
	sum := sha256.Sum256([]byte("new"))
	want := "a.py,sha256=x,1\r\n\"b,c.py\",sha256=y,2\r\nd.dist-info/METADATA,sha256=" +
		base64.RawURLEncoding.EncodeToString(sum[:]) + ",3\nd.dist-info/RECORD,,\n"
	got, err := truth.RepairRecord([]byte(record), "d.dist-info/METADATA", []byte("new"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("RECORD (-want +got):\n%s", diff)
	}
	for _, path := range []string{"absent", "d.dist-info/RECORD/", ""} {
		if _, err := truth.RepairRecord([]byte(record), path, nil); err == nil {
			t.Errorf("RECORD was repaired for %q", path)
		}
	}
}

// writeWheel makes a pure wheel of one module.
func writeWheel(t *testing.T, dir, name, version string, metadata string, extra ...string) string {
	t.Helper()
	info := fmt.Sprintf("%s-%s.dist-info/", name, version)
	members := []struct{ name, content string }{
		{name + "/__init__.py", "answer = 42\n"},
		{info + "METADATA", metadata},
		{info + "WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"},
	}
	for _, e := range extra {
		members = append(members, struct{ name, content string }{info + e, "x"})
	}
	record := ""
	for _, m := range members {
		sum := sha256.Sum256([]byte(m.content))
		record += fmt.Sprintf("%s,sha256=%s,%d\n", m.name, base64.RawURLEncoding.EncodeToString(sum[:]), len(m.content))
	}
	members = append(members, struct{ name, content string }{info + "RECORD", record + info + "RECORD,,\n"})
	var b bytes.Buffer
	zw := zip.NewWriter(&b)
	for _, m := range members {
		w, err := zw.Create(m.name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, m.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, fmt.Sprintf("%s-%s-py3-none-any.whl", name, version))
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// mend repairs the wheel at path into a directory of its own.
func mend(t *testing.T, path string) string {
	t.Helper()
	faults, used := lies(t)
	to := filepath.Join(t.TempDir(), filepath.Base(path))
	changes, err := truth.Mend(t.Context(), path, to, faults, used)
	if err != nil {
		t.Fatal(err)
	}
	if len(changes) != len(faults) {
		t.Errorf("%d changes mend %d faults", len(changes), len(faults))
	}
	return to
}

func TestMend(t *testing.T) {
	t.Parallel()
	path := writeWheel(t, t.TempDir(), "vllm", "0.22.1", lying)
	to := mend(t, path)
	if warnings, err := wheel.Verify(t.Context(), to); err != nil || len(warnings) > 0 {
		t.Errorf("the mended wheel: %v, %v", warnings, err)
	}
	r, err := wheel.Open(to)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if diff := cmp.Diff([]string{"numpy", "torch == 2.11.0"}, r.Metadata.Text[:2]); diff != "" {
		t.Errorf("Requires-Dist (-want +got):\n%s", diff)
	}
	_, used := lies(t)
	d := truth.Distribution{Name: r.Metadata.Name, Version: r.Metadata.Version, Requires: r.Metadata.RequiresDist}
	if faults := truth.Built(d, used, gx10); faults != nil {
		t.Errorf("the mended wheel still lies: %v", faults)
	}
	again := mend(t, path)
	first, err1 := os.ReadFile(to)
	second, err2 := os.ReadFile(again)
	if err1 != nil || err2 != nil || !bytes.Equal(first, second) {
		t.Error("mending twice gives different bytes")
	}
}

func TestMendRefuses(t *testing.T) {
	t.Parallel()
	faults, used := lies(t)
	signed := writeWheel(t, t.TempDir(), "vllm", "0.22.1", lying, "RECORD.jws")
	other := writeWheel(t, t.TempDir(), "vllm", "0.22.1", "Metadata-Version: 2.1\nName: vllm\nVersion: 0.22.1\n")
	for path, want := range map[string]string{
		signed: "it is signed", other: "no Requires-Dist", filepath.Join(t.TempDir(), "none.whl"): "no such file",
	} {
		dir := t.TempDir()
		_, err := truth.Mend(t.Context(), path, filepath.Join(dir, "out.whl"), faults, used)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("mending %s: got %v, want %q", path, err, want)
		}
		if left, _ := os.ReadDir(dir); len(left) > 0 {
			t.Errorf("mending %s left %v", path, left)
		}
	}
}

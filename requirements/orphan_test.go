package requirements_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/requirements"
)

// Lines of hashes that belong to no requirement are told of, as pip ignores
// them without a word, and go with a requirement that is dropped before them.
func TestOrphanHashes(t *testing.T) {
	t.Parallel()
	const orphan = "pip ignores it: the line before does not end in a backslash"
	src := strings.Join([]string{
		"numpy==2.0",
		"    --hash=sha256:00",
		"triton==3.0",
		"# of triton",
		"    --hash=sha256:11",
		"",
		"    --hash=sha256:22 --hash=sha256:33",
		"torch==2.10.0 \\",
		"    --hash=sha256:44",
		"--index-url https://example.com/simple",
		"six==1.0 --hash=sha256:55",
		"",
	}, "\n")
	f, err := requirements.Parse("r.txt", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	after, report := requirements.Rewrite(f, []requirements.Rule{{Drop: "triton"}})
	wantWarnings := []requirements.Warning{
		{File: "r.txt", Line: 2, Text: "--hash=sha256:00", Message: orphan},
		{File: "r.txt", Line: 5, Text: "--hash=sha256:11", Message: orphan},
		{File: "r.txt", Line: 7, Text: "--hash=sha256:22 --hash=sha256:33", Message: orphan},
	}
	if diff := cmp.Diff(wantWarnings, report.Warnings); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
	want := strings.Join([]string{
		"numpy==2.0",
		"    --hash=sha256:00",
		"# of triton",
		"",
		"torch==2.10.0 \\",
		"    --hash=sha256:44",
		"--index-url https://example.com/simple",
		"six==1.0 --hash=sha256:55",
		"",
	}, "\n")
	if diff := cmp.Diff(want, string(after.Bytes())); diff != "" {
		t.Errorf("the file (-want +got):\n%s", diff)
	}
	var changed []string
	for _, c := range report.Changes {
		changed = append(changed, strings.TrimSpace(c.Before)+" by "+c.Rule)
	}
	wantChanged := []string{"triton==3.0 by drop triton", "--hash=sha256:11 by drop triton", "--hash=sha256:22 --hash=sha256:33 by drop triton"}
	if diff := cmp.Diff(wantChanged, changed); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	if again, report := requirements.Rewrite(after, []requirements.Rule{{Drop: "triton"}}); again != after || len(report.Changes) > 0 {
		t.Errorf("a second time changes %v", report.Changes)
	}
}

// A requirement of 100 KB is not shown whole, wherever it goes wrong.
func TestLongLinesAreCut(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 100_000)
	for name, text := range map[string]string{
		"name":    long + " !",
		"version": "torch==" + long,
		"marker":  "torch; python_version == '" + long,
		"url":     "torch @ " + long + " ; bad",
		"options": "torch --hash='" + long,
	} {
		_, err := requirements.Parse("r.txt", []byte(text))
		if err == nil {
			_, err = requirements.ParseRequirement(text)
		}
		if err == nil || len(err.Error()) > 2000 || !strings.Contains(err.Error(), "^") {
			t.Errorf("%s: %d bytes: %.300v", name, len(err.Error()), err)
		}
	}
}

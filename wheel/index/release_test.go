package index_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/wheel/index"
)

func releases() []index.File {
	day := func(d int) time.Time { return time.Date(2026, 1, d, 0, 0, 0, 0, time.UTC) }
	return []index.File{
		{Name: "tiny_thing-1.0.tar.gz", Uploaded: day(1)},
		{Name: "tiny_thing-1.0-py3-none-any.whl", Uploaded: day(1)},
		{Name: "tiny_thing-1.0-cp312-cp312-manylinux_2_17_aarch64.whl", Uploaded: day(2)},
		{Name: "tiny-thing-0.9.zip", Uploaded: day(1)},
		{Name: "tiny-thing-extra-0.9.tar.gz"},
		{Name: "tiny_thing-1.1-cp312-cp312-manylinux_2_17_x86_64.whl", Uploaded: day(3)},
		{Name: "tiny_thing-1.2rc1-py3-none-any.whl", Uploaded: day(4)},
		{Name: "tiny_thing-1.10-py3-none-any.whl", Uploaded: day(5), Yanked: true, YankedReason: "broken"},
		{Name: "tiny_thing-1.0.win32.exe"},
		{Name: "README.txt"},
	}
}

func TestWheelPicks(t *testing.T) {
	t.Parallel()
	tags, _ := spark(t)
	for version, want := range map[string]string{
		"1.0":    "tiny_thing-1.0-cp312-cp312-manylinux_2_17_aarch64.whl",
		"1":      "tiny_thing-1.0-cp312-cp312-manylinux_2_17_aarch64.whl",
		"1.2rc1": "tiny_thing-1.2rc1-py3-none-any.whl",
		"1.10":   "tiny_thing-1.10-py3-none-any.whl",
	} {
		f, err := index.Wheel("tiny-thing", version, releases(), tags)
		if err != nil || f.Name != want {
			t.Errorf("Wheel(%q) = %q, %v, want %q", version, f.Name, err, want)
		}
	}
	_, err := index.Wheel("tiny-thing", "1.1", releases(), tags)
	if e, ok := errors.AsType[*index.NoFileError](err); !ok ||
		!strings.Contains(e.Error(), "no wheel for cp312-cp312-manylinux_2_39_aarch64; available:\n    tiny_thing-1.1-cp312-cp312-manylinux_2_17_x86_64.whl") {
		t.Errorf("no wheel for the platform: %v", err)
	}
	_, err = index.Wheel("tiny-thing", "3", releases(), tags)
	e, ok := errors.AsType[*index.NoVersionError](err)
	if !ok || !strings.Contains(err.Error(), "the newest there: 1.1, 1.0, 0.9") {
		t.Fatalf("no such version: %v", err)
	}
	if diff := cmp.Diff([]string{"1.1", "1.0", "0.9"}, e.Have); diff != "" {
		t.Errorf("newest versions (-want +got):\n%s", diff)
	}
	if _, err := index.Wheel("tiny-thing", "latest", releases(), tags); err == nil || !strings.Contains(err.Error(), "tiny-thing") {
		t.Errorf("no version at all: %v", err)
	}
	if _, err := index.Wheel("tiny-thing", "1", nil, tags); err == nil || !strings.Contains(err.Error(), "nor of any other version") {
		t.Errorf("an empty index: %v", err)
	}
}

func TestSdistPicks(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]string{"1.0": "tiny_thing-1.0.tar.gz", "0.9": "tiny-thing-0.9.zip"} {
		f, err := index.Sdist("Tiny.Thing", version, releases())
		if err != nil || f.Name != want {
			t.Errorf("Sdist(%q) = %q, %v, want %q", version, f.Name, err, want)
		}
	}
	if _, err := index.Sdist("tiny-thing", "1.1", releases()); err == nil || !strings.Contains(err.Error(), "has no source distribution; available:") {
		t.Errorf("no sdist: %v", err)
	}
}

package version_test

import (
	"testing"
	"time"

	"github.com/sparkwheel/sparkwheel/requirements/version"
)

const node = "ace95c9cf0123456789012345678901234567890"

var day = time.Date(2026, 6, 4, 0, 30, 0, 0, time.FixedZone("", 3600)) // still the 3rd in UTC

// The versions are those that setuptools_scm gave, but for the last.
func TestFromSCM(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		tag      string
		distance int
		dirty    bool
		want     string
	}{
		{"v0.22.1rc0", 124, true, "0.22.1rc1.dev124+gace95c9cf.d20260603"},
		{"v0.22.1rc0", 124, false, "0.22.1rc1.dev124+gace95c9cf"},
		{"v0.22.0", 124, false, "0.22.1.dev124+gace95c9cf"},
		{"v0.22.1rc1", 0, true, "0.22.1rc2.dev0+gace95c9cf.d20260603"},
		{"v0.22.1rc1", 0, false, "0.22.1rc1"},
		{"v0.22", 3, false, "0.23.dev3+gace95c9cf"},
		{"v0.22.0.post1", 3, false, "0.22.0.post2.dev3+gace95c9cf"},
		{"v0.9.0+cpu", 2, false, "0.9.1.dev2+cpu.gace95c9cf"},
		{"v0.9.0+cpu", 0, false, "0.9.0+cpu"},
		{"v0.9.0+cpu", 0, true, "0.9.1.dev0+cpu.gace95c9cf.d20260603"},
		{"v0.9.0+CPU-x_01", 2, false, "0.9.1.dev2+cpu.x.1.gace95c9cf"},
		{"v0.22.1.dev5", 0, false, "0.22.1.dev5"},
		{"v0.6.0.dev0", 0, true, "0.6.0.dev0+gace95c9cf.d20260603"},
		{"v1.0.0.0.4", 2, false, "1.0.0.0.5.dev2+gace95c9cf"},
		{"1.0alpha", 1, false, "1.0a1.dev1+gace95c9cf"},
		{"v1!2.0", 1, false, "1!2.1.dev1+gace95c9cf"},
		{"2024.01.05", 1, false, "2024.1.6.dev1+gace95c9cf"},
		{"v1.0-1", 1, false, "1.0.post2.dev1+gace95c9cf"},
		{"1.0.post", 1, false, "1.0.post1.dev1+gace95c9cf"},
		{"rel-1.2", 1, false, "1.3.dev1+gace95c9cf"},
		{"v1.0rc", 2, false, "1.0rc1.dev2+gace95c9cf"},
		{"V1.0-beta.2", 1, false, "1.0b3.dev1+gace95c9cf"},
		{"vllm-0.6.0.dev0", 5, false, "0.6.0.dev5+gace95c9cf"},
		{"v99999999999999999999", 1, false, "100000000000000000000.dev1+gace95c9cf"},
	} {
		d := version.Description{Tag: test.tag, Distance: test.distance, Hash: node}
		if got, err := version.FromSCM(d, test.dirty, day); err != nil || got.String() != test.want {
			t.Errorf("%s-%d: %q, %v, want %q", test.tag, test.distance, got, err, test.want)
		}
	}
	for _, tag := range []string{"v0.22.1.dev5", "nightly", "", "release/1.0", "a1b", "v1.2.x3", "1.0+a..b"} {
		if got, err := version.FromSCM(version.Description{Tag: tag, Distance: 3, Hash: node}, false, day); err == nil {
			t.Errorf("%q gave %q", tag, got)
		}
	}
}

// A version that is computed is one that an index takes as it is written.
func FuzzFromSCM(f *testing.F) {
	for _, tag := range []string{"v0.22.1rc0", "v0.9.0+CPU-x_01", "v1!2.0", "rel-1.2", "V1.0-beta.2", "1.0.dev5", "1+" + node, "v1\n"} {
		f.Add(tag, 124, true)
	}
	f.Fuzz(func(t *testing.T, tag string, distance int, dirty bool) {
		v, err := version.FromSCM(version.Description{Tag: tag, Distance: max(0, distance), Hash: node}, dirty, day)
		if err != nil {
			return
		}
		again, err := version.Parse(v.String())
		if err != nil || again.String() != v.String() {
			t.Errorf("%q gave %q, which reads as %q, %v", tag, v, again, err)
		}
	})
}

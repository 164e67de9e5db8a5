package version_test

import (
	"testing"

	"github.com/sparkwheel/sparkwheel/requirements/version"
)

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"1.0", "v1!2.3.4a5.post6.dev7+local.8", "1.0-BETA", "1.0+01234567", "1.0-1", "1.0.post.dev", " 1.0\n", "1.0+\u212a",
		"0.22.1rc1.dev124+gace95c9cf.d20260603.cu132", "00.00", "1.0a.post-dev_9", "99999999999999999999999.1",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, err := version.Parse(s)
		if err != nil {
			return
		}
		again, err := version.Parse(v.String())
		if err != nil || !again.Equal(v) || again.String() != v.String() {
			t.Errorf("%q is %s, which reads back as %s, %v", s, v, again, err)
		}
		if p := v.Public(); p.Local() != "" || p.Compare(v) > 0 {
			t.Errorf("the public version of %s is %s", v, p)
		}
	})
}

func FuzzSpecifiers(f *testing.F) {
	for _, s := range [][2]string{
		{">=1.0,<2", "1.5"}, {"==1.*", "1.0.dev1"}, {"~=2.2.post3", "2.3"}, {"===foo", "FOO"}, {"!=1.0+x", "1.0+X"},
		{">1.0.post1", "1.0.post2.dev0"}, {"<1.0rc1", "1.0rc1.dev1"}, {"==1.0.*,,!=1.0.1,", "1"}, {">=0,===1", "1"},
	} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, spec, text string) {
		set, err := version.ParseSpecifiers(spec)
		if err != nil {
			return
		}
		again, err := version.ParseSpecifiers(set.String())
		if err != nil || again.String() != set.String() {
			t.Errorf("%q is %s, which reads back as %s, %v", spec, set, again, err)
		}
		if set.ContainsText(text) != again.ContainsText(text) {
			t.Errorf("%q and %s do not agree on %q", spec, set, text)
		}
		v, err := version.Parse(text)
		if err != nil {
			return
		}
		for _, c := range set {
			opposite := map[string]string{"==": "!=", "!=": "=="}[c.Op]
			if opposite == "" {
				continue
			}
			other, err := version.ParseSpecifier(opposite + c.Text)
			if err != nil || other.Contains(v) == c.Contains(v) {
				t.Errorf("%s and %s: both say %t of %s, %v", c, other, c.Contains(v), v, err)
			}
		}
	})
}

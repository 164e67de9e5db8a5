package marker_test

import (
	"testing"

	"github.com/sparkwheel/sparkwheel/requirements/marker"
)

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`python_version > "3.11" and platform_machine == 'aarch64'`, `(os.name=='a'or"b"in sys_platform)and extra=='X_y'`,
		`'x' not  in extras`, `os_name == '\x41\101\u0041\n\q'`, `python_version ~= "3.1.*"`, `((((os_name=="a"))))`, `os_name == "a'b"`, `'a' == 'b'`,
	} {
		f.Add(s)
	}
	env := marker.Linux("3.12", "aarch64")
	f.Fuzz(func(t *testing.T, s string) {
		e, err := marker.Parse(s)
		if err != nil {
			return
		}
		again, err := marker.Parse(e.String())
		if err != nil || again.String() != e.String() {
			t.Fatalf("%q is %s, which reads back as %s, %v", s, e, again, err)
		}
		one, err1 := e.Eval(env, "x-y")
		two, err2 := again.Eval(env, "x-y")
		if one != two || (err1 == nil) != (err2 == nil) {
			t.Errorf("%q is %t, %v, and %s is %t, %v", s, one, err1, again, two, err2)
		}
	})
}

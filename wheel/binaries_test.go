package wheel_test

import (
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/wheel"
	"github.com/sparkwheel/sparkwheel/wheel/inspect/elftest"
	"github.com/sparkwheel/sparkwheel/wheel/wheeltest"
)

func lib(machine elf.Machine, versions ...string) string {
	e := elftest.ELF{Machine: machine}
	for _, v := range versions {
		library, version, _ := strings.Cut(v, ":")
		e.Versions = append(e.Versions, elftest.Needed{Library: library, Versions: []string{version}})
	}
	return string(e.Bytes())
}

// binaries are wheels by their tags and members, and what is said of them:
// faults, warnings in brackets, and with a question mark what the tag does not
// promise.
var binaries = []struct {
	name, tag string
	members   []string
	want      []string
}{
	{"for its machine", "cp312-cp312-manylinux_2_28_aarch64", []string{"x/a.so", lib(elf.EM_AARCH64)}, nil},
	{"for another machine", "cp312-cp312-manylinux_2_28_aarch64", []string{"x/a.so", lib(elf.EM_X86_64), "x/b.so", lib(elf.EM_AARCH64)}, []string{"foreign-machine x/a.so"}},
	{"for any of its machines", "py3-none-manylinux2014_x86_64.manylinux2014_aarch64", []string{"x/a.so", lib(elf.EM_X86_64), "x/b.so", lib(elf.EM_AARCH64), "x/c.so", lib(elf.EM_S390)}, []string{"foreign-machine x/c.so"}},
	{"of 32 bits", "py3-none-linux_x86_64", []string{"x/a.so", lib(elf.EM_386)}, []string{"foreign-machine x/a.so"}},
	{"for BPF", "py3-none-linux_x86_64", []string{"x/a.bin", lib(elf.EM_BPF)}, nil},
	{"an object", "py3-none-linux_x86_64", []string{"x/a.o", string(elftest.ELF{Type: elf.ET_REL}.Bytes())}, []string{"[foreign-machine x/a.o]"}},
	{"for a system that is not Linux", "cp312-cp312-macosx_11_0_arm64", []string{"x/a.so", lib(elf.EM_X86_64)}, nil},
	{"for a machine that has another name", "py3-none-manylinux_2_28_sbsa", []string{"x/a.so", lib(elf.EM_AARCH64)}, nil},
	{"in a wheel for any", "py3-none-any", []string{"x/a.so", lib(elf.EM_AARCH64)}, []string{"binary-in-any x/a.so"}},
	{"cubins in a wheel for any", "py3-none-any", []string{"x/a.cubin", string(elftest.Cubin(121, 1))}, nil},
	{"for several machines in a wheel for any", "py3-none-any", []string{"x/a.so", lib(elf.EM_AARCH64), "x/b.so", lib(elf.EM_X86_64)}, []string{"[binary-in-any x/a.so]", "[binary-in-any x/b.so]"}},
	{"for several systems in a wheel for any", "py3-none-any", []string{"x/a.so", lib(elf.EM_AARCH64), "x/a.dll", "MZ"}, []string{"[binary-in-any x/a.so]"}},
	{"damaged", "py3-none-linux_aarch64", []string{"x/a.so.1", lib(elf.EM_AARCH64)[:100], "x/test.bin", lib(elf.EM_AARCH64)[:100]}, []string{"binary-damaged x/a.so.1", "[binary-damaged x/test.bin]"}},
	{"newer glibc", "py3-none-manylinux_2_28_aarch64", []string{"x/a.so", lib(elf.EM_AARCH64, "libc.so.6:GLIBC_2.29")}, []string{"?symbol-version x/a.so"}},
	{"newer libstdc++", "py3-none-manylinux_2_28_aarch64", []string{"x/a.so", lib(elf.EM_AARCH64, "libstdc++.so.6:GLIBCXX_3.4.32", "libstdc++.so.6:CXXABI_1.3.11")}, []string{"?symbol-version x/a.so"}},
	{"a libstdc++ of its own", "py3-none-manylinux_2_28_aarch64", []string{
		"x/a.so", lib(elf.EM_AARCH64, "libstdc++.so.6:GLIBCXX_3.4.32"),
		"x.libs/libstdc++.so.6", string(elftest.ELF{SONAME: "libstdc++.so.6"}.Bytes()),
	}, nil},
	{"all that is promised", "py3-none-manylinux_2_39_aarch64", []string{"x/a.so", lib(elf.EM_AARCH64, "libc.so.6:GLIBC_2.39", "libstdc++.so.6:GLIBCXX_3.4.33", "libstdc++.so.6:CXXABI_1.3.15")}, nil},
	{"the oldest of two tags", "py3-none-manylinux_2_17_x86_64.manylinux_2_28_x86_64", []string{"x/a.so", lib(elf.EM_X86_64, "libc.so.6:GLIBC_2.18")}, []string{"?symbol-version x/a.so"}},
	{"2.18 for aarch64", "py3-none-manylinux2014_aarch64", []string{"x/a.so", lib(elf.EM_AARCH64, "libc.so.6:GLIBC_2.18")}, nil},
	{"no promise", "py3-none-linux_aarch64", []string{"x/a.so", lib(elf.EM_AARCH64, "libc.so.6:GLIBC_2.99")}, nil},
}

func TestBinaries(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../cmd/sparkwheel/docs/wheel-faults.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range binaries {
		path := wheeltest.New("x-1.0-"+tt.tag+".whl", tt.members...).Write(t, t.TempDir())
		v, err := wheel.VerifyAll(t.Context(), path)
		var got []string
		say := func(format string, f wheel.Fault) {
			got = append(got, fmt.Sprintf(format, f.Code+" "+f.Path))
			if !strings.Contains(string(page), "`"+f.Code+"`") {
				t.Errorf("the page does not explain %q", f.Code)
			}
		}
		if bad := new(wheel.VerifyError); errors.As(err, &bad) {
			for _, f := range bad.Faults {
				say("%s", f)
			}
		} else if err != nil {
			t.Fatal(err)
		}
		for _, f := range v.Warnings {
			say("[%s]", f)
		}
		for _, f := range v.Promises {
			say("?%s", f)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

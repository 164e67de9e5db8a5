package launcher

import (
	"crypto/sha256"
	"encoding/hex"
	"path"
	"slices"
	"strings"

	"github.com/sparkwheel/sparkwheel/wheel/builder/forecast"
)

// call is a compiler's command line, as far as a launcher has to know it.
type call struct {
	args    []string
	dir     string
	cuda    bool // nvcc
	compile bool // -c and its kin: one source to one object
	only    bool // preprocesses, lists dependencies or shows what it would do
	source  string
	output  string
	arch    []string
	seeded  bool
}

// sourceSuffixes are those that compilers take for sources.
var sourceSuffixes = []string{".cu", ".c", ".cc", ".cpp", ".cxx", ".C", ".c++", ".m", ".mm", ".s", ".S"}

// valued are the options of nvcc and gcc whose value is the next argument and
// could be taken for a source.
var valued = []string{"-o", "--output-file", "-MF", "-MT", "-MQ", "--dependency-output", "-I", "-isystem", "-include", "-D", "-U", "-L", "-l",
	"-x", "--x", "-arch", "--gpu-architecture", "-code", "--gpu-code", "-gencode", "--generate-code", "-Xcompiler", "--compiler-options",
	"-Xptxas", "--ptxas-options", "-Xcudafe", "-Xfatbin", "-Xlinker", "-Xnvlink", "-ccbin", "--compiler-bindir", "-t", "--threads", "-std", "-odir",
	"-idirafter", "-iquote", "-imacros", "-Xassembler", "-Xpreprocessor", "-aux-info", "--param", "-z", "-T", "-u", "-G", "-e"}

func parse(args []string, dir string) *call {
	c := &call{args: args, dir: dir, cuda: strings.HasPrefix(path.Base(args[0]), "nvcc")}
	var device deviceMacros
	for i := 1; i < len(args); i++ {
		a := args[i]
		value := ""
		if i+1 < len(args) {
			value = args[i+1]
		}
		switch {
		case a == "-c", a == "--compile", c.cuda && slices.Contains([]string{"-dc", "-dw", "--device-c", "--device-w", "-cubin", "--cubin", "-ptx", "--ptx", "-fatbin", "--fatbin"}, a):
			c.compile = true
		case slices.Contains(notCompiling, a):
			c.only = true
		case a == "-o", a == "--output-file":
			c.output = value
		case strings.HasPrefix(a, "-frandom-seed"), strings.HasPrefix(a, "--frandom-seed"):
			c.seeded = true
		}
		device.see(a)
		if slices.Contains(valued, a) && !(a == "-G" && c.cuda) {
			i++
			continue
		}
		if !strings.HasPrefix(a, "-") && slices.Contains(sourceSuffixes, path.Ext(a)) {
			c.source = a
		}
	}
	if c.cuda {
		c.arch = forecast.Architectures(args)
	} else if arch := device.architecture(); arch != "" {
		c.arch = []string{arch}
	}
	return c
}

// notCompiling are the options with which a compiler makes no object.
var notCompiling = []string{"-E", "--preprocess", "-M", "-MM", "--generate-dependencies", "--dryrun", "-dryrun", "-###", "-fsyntax-only", "-S"}

// compiles says whether this turns a source into machine code, in one step with
// linking or not: all else is passed on as it came.
func (c *call) compiles() bool { return c.source != "" && (c.compile || !c.only) }

// preprocessesCUDA says whether this is the first step of an nvcc that was
// called past every launcher.
func (c *call) preprocessesCUDA() bool { return !c.cuda && c.only && c.source != "" && len(c.arch) > 0 }

// trial says whether this compiles for a configuration step: what CMake tries
// lies below CMakeFiles, and never comes into the product.
func (c *call) trial() bool { return strings.Contains(c.dir+"/", "/CMakeFiles/") }

// deviceMacros are what nvcc tells the host's preprocessor of the architecture
// that it compiles for.
type deviceMacros struct{ number, suffix string }

func (d *deviceMacros) see(option string) {
	if n, ok := strings.CutPrefix(option, "-D__CUDA_ARCH__="); ok {
		d.number = strings.TrimSuffix(n, "0")
	}
	if strings.HasPrefix(option, "-D__CUDA_ARCH_FEAT_SM") && strings.HasSuffix(option, "_ALL") {
		d.suffix = "a"
	}
	if strings.HasPrefix(option, "-D__CUDA_ARCH_FAMILY_SPECIFIC__=") && d.suffix == "" {
		d.suffix = "f"
	}
}

func (d *deviceMacros) architecture() string {
	if d.number == "" {
		return ""
	}
	return "compute_" + d.number + d.suffix
}

// reproducible returns the command line that makes the same object wherever,
// whenever and beside whatever it runs. What it adds comes first: sccache reads
// -objtemp as a value of what stands before it.
func (c *call) reproducible(source string) []string {
	args := []string{c.args[0]}
	if c.cuda && c.compile && !slices.Contains(c.args, "-objtemp") && !slices.Contains(c.args, "--objdir-as-tempdir") {
		// Else the names of temporary files, with a process id, are in the object.
		args = append(args, "-objtemp")
	}
	if !c.seeded {
		args = append(args, "-frandom-seed="+c.seed(source))
	}
	if source != "" {
		prefix := "-ffile-prefix-map=" + source + "=."
		if c.cuda {
			prefix = "-Xcompiler=" + prefix
		}
		args = append(args, prefix)
	}
	for _, a := range c.args[1:] {
		switch {
		// A compiler cache knows the short forms only.
		case c.cuda && a == "--generate-dependencies-with-compile":
			a = "-MD"
		case c.cuda && a == "--dependency-output":
			a = "-MF"
		case c.cuda && strings.HasPrefix(a, "--dependency-output="):
			args = append(args, "-MF")
			a = strings.TrimPrefix(a, "--dependency-output=")
		}
		args = append(args, a)
	}
	return args
}

// seed stands for random numbers in the names that a compiler makes up: the
// same for a file in every build, and another for every file.
func (c *call) seed(source string) string {
	file := c.source
	if !path.IsAbs(file) {
		file = path.Join(c.dir, file)
	}
	if source != "" {
		file = strings.TrimPrefix(file, source+"/")
	}
	sum := sha256.Sum256([]byte(file + "\x00" + path.Base(c.output)))
	return hex.EncodeToString(sum[:8])
}

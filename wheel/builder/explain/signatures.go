package explain

import "regexp"

// signature is how a cause shows in a log. A line is looked at by pattern only
// when it has one of words: logs are long. Cause may use the pattern's groups.
type signature struct {
	id       string
	words    []string
	pattern  *regexp.Regexp
	cause    string
	packages map[string]string // what the first group may name -> where it comes from
}

var headers = map[string]string{
	"Python.h": "Debian: python3-dev", "cuda_runtime.h": "a devel CUDA image", "cuda.h": "a devel CUDA image", "cublas_v2.h": "libcublas-dev",
	"cudnn.h": "libcudnn9-dev", "nccl.h": "libnccl-dev", "numa.h": "libnuma-dev", "infiniband/verbs.h": "libibverbs-dev", "zmq.h": "libzmq3-dev",
	"curand_kernel.h": "libcurand-dev", "nvrtc.h": "cuda-nvrtc-dev", "nv/target": "cuda-cccl", "cutlass/cutlass.h": "the submodule 3rdparty/cutlass",
}

var libraries = map[string]string{
	"cuda": "the stub in cuda-driver-dev", "cudart": "cuda-cudart-dev", "nccl": "libnccl-dev", "numa": "libnuma-dev", "ibverbs": "libibverbs-dev", "nvrtc": "cuda-nvrtc-dev",
}

var signatures = []signature{
	{
		id:      "out-of-memory",
		words:   []string{"illed", "signal 9", "bad_alloc", "virtual memory", "allocate memory", "out of memory"},
		pattern: regexp.MustCompile(`Killed signal terminated program (\w+)|'(\w+)' died due to signal 9|virtual memory exhausted|std::bad_alloc|Cannot allocate memory|out of memory allocating \d+ bytes|(?:^|\s)Killed$`),
		cause:   "a compiler ran out of memory: GPU and processors share one memory on a GB10",
	},
	{
		id:      "wrong-arch",
		words:   []string{"gets code of verdict"},
		pattern: regexp.MustCompile(`(\S+) gets code of verdict (\S+) for GPU (\S+), where (\S+) is required: (.+)$`),
		cause:   "$1 would hold GPU code that is not good enough for GPU $3: $2, where $4 is required ($5)",
	},
	{
		id:      "nvcc-too-old",
		words:   []string{"Unsupported gpu architecture"},
		pattern: regexp.MustCompile(`Unsupported gpu architecture '([^']+)'`),
		cause:   "this nvcc does not know $1",
	},
	{
		id:      "ptxas-too-old",
		words:   []string{"is not defined for option 'gpu-name'"},
		pattern: regexp.MustCompile(`Value '([^']+)' is not defined for option 'gpu-name'`),
		cause:   "a ptxas that does not know $1 was called, most often the one that Triton brings",
	},
	{
		id:       "missing-header",
		words:    []string{"No such file or directory", "cannot open source file"},
		pattern:  regexp.MustCompile(`fatal error: ([^:\s]+): No such file or directory|cannot open source file "([^"]+)"`),
		cause:    "a header is missing: $1$2",
		packages: headers,
	},
	{
		id:       "missing-library",
		words:    []string{"cannot find -l"},
		pattern:  regexp.MustCompile(`cannot find -l([\w.+-]+)`),
		cause:    "the linker finds no lib$1",
		packages: libraries,
	},
	{
		id:    "network-in-build",
		words: []string{"resolve", "resolution", "not known", "unreachable", "dns error", "Failed to connect", "lookup address", "Could not connect"},
		pattern: regexp.MustCompile(`Could not resolve host: ([\w.-]+)|host='([\w.-]+)'.*(?:name resolution|not known|[Rr]esolve)|https?://([\w.-]+)[^ ]*.*(?:dns error|lookup address|name resolution|resolve)` +
			`|Failed to connect to ([\w.-]+)|Temporary failure in name resolution|Name or service not known|Network is unreachable|failed to lookup address|Could not connect to server`),
		cause: "the build asked the network for $1$2$3$4; builds run without one",
	},
	{
		id:      "fetchcontent",
		words:   []string{"Build step for", "could not find git for"},
		pattern: regexp.MustCompile(`Build step for (\S+) failed: \d+|could not find git for (?:clone|fetch) of (\S+?)(?:-populate)?$`),
		cause:   "CMake fetches $1$2 while it configures; builds run without a network",
	},
	{
		id:      "missing-module",
		words:   []string{"ModuleNotFoundError", "BackendUnavailable", "is not available"},
		pattern: regexp.MustCompile(`ModuleNotFoundError: No module named '([\w.]+)'|BackendUnavailable: (.*)|Backend '([^']+)' is not available`),
		cause:   "the build imports $1$2$3, and no build requirement brings it",
	},
	{
		id:    "missing-program",
		words: []string{"unable to find a build program", "CMAKE_CUDA_COMPILER", "CMAKE_CXX_COMPILER", "CMAKE_C_COMPILER", "No such file or directory: '", "command not found", "CUDA_HOME environment variable is not set", "command 'gcc' failed", "could not find nvcc", "Could not find nvcc", "no executable file"},
		pattern: regexp.MustCompile(`unable to find a build program corresponding to "(\w+)"|No (CMAKE_\w+_COMPILER) could be found|No such file or directory: '(\w[\w.+-]*)'|(\S+): command not found` +
			`|(CUDA_HOME) environment variable is not set|error: command '([\w.+-]+)' failed: No such file|[Cc]ould not find (nvcc)|no executable file (\S+) in PATH`),
		cause: "a program that the build needs is not there: $1$2$3$4$5$6$7$8",
	},
	{
		id:      "disk-full",
		words:   []string{"No space left on device", "Disk quota exceeded"},
		pattern: regexp.MustCompile(`No space left on device|Disk quota exceeded`),
		cause:   "the disk is full",
	},
	{
		id:      "outside-build",
		words:   []string{"Read-only file system"},
		pattern: regexp.MustCompile(`Read-only file system: '?([^'\s]+)'?|['"]?(/[^:'"\s]+)['"]?: Read-only file system`),
		cause:   "the build writes outside its own directory: $1$2",
	},
	{
		id:      "too-many-processes",
		words:   []string{"Resource temporarily unavailable"},
		pattern: regexp.MustCompile(`fork\w*: .*Resource temporarily unavailable|BlockingIOError.*Resource temporarily unavailable|pthread_create.*Resource temporarily unavailable`),
		cause:   "the build started more processes than it may",
	},
	{
		id:      "host-compiler-too-new",
		words:   []string{"unsupported GNU version", "unsupported clang version"},
		pattern: regexp.MustCompile(`unsupported (?:GNU|clang) version! (.*)`),
		cause:   "nvcc does not take this host compiler: $1",
	},
	{
		id:      "torch-cuda-mismatch",
		words:   []string{"mismatches the version that was used to compile"},
		pattern: regexp.MustCompile(`detected CUDA version \(([\d.]+)\) mismatches the version that was used to compile\s*PyTorch \(([\d.]+)\)`),
		cause:   "the base has CUDA $1, and torch was built for $2",
	},
	{
		id:      "no-scm-version",
		words:   []string{"unable to detect version", "setuptools-scm was unable"},
		pattern: regexp.MustCompile(`setuptools[-_]scm was unable to detect version|unable to detect version for`),
		cause:   "setuptools-scm finds neither .git nor a version given to it",
	},
	{
		id:      "undefined-torch-symbol",
		words:   []string{"undefined symbol: _ZN"},
		pattern: regexp.MustCompile(`undefined symbol: (_ZNK?(?:3c10|2at|5torch)\w*)`),
		cause:   "an extension was built against another torch: it asks for $1",
	},
	{
		id:      "missing-torch-cuda",
		words:   []string{"libtorch_cuda"},
		pattern: regexp.MustCompile(`libtorch_cuda\.so: cannot open shared object file`),
		cause:   "torch is the CPU build: an unpinned requirement resolved it anew",
	},
	{
		id:      "cuda-major-mismatch",
		words:   []string{"libcudart.so", "libcublas", "libnvrtc.so"},
		pattern: regexp.MustCompile(`(lib(?:cudart|cublas(?:Lt)?|nvrtc)\.so\.(\d+)): cannot open shared object file`),
		cause:   "a wheel for CUDA $2 meets a base without it: $1 is missing",
	},
	{
		id:      "no-kernel-image",
		words:   []string{"no kernel image is available"},
		pattern: regexp.MustCompile(`no kernel image is available`),
		cause:   "a wheel has no code for this GPU",
	},
	{
		id:      "driver-too-old",
		words:   []string{"driver version is insufficient", "unsatisfied condition: cuda"},
		pattern: regexp.MustCompile(`CUDA driver version is insufficient for CUDA runtime version|requirement error: unsatisfied condition: cuda>=`),
		cause:   "the driver is older than the base's CUDA needs",
	},
	{
		id:      "cubin-download",
		words:   []string{"cubin", "403"},
		pattern: regexp.MustCompile(`(?i)(?:403 Client Error|HTTP(?: Error)? 403|timed? ?out).*cubin|cubin.*(?:403|timed? ?out|[Ff]ailed to download)`),
		cause:   "FlashInfer's cubins did not come: their server limits or refuses",
	},
	{
		id:      "flashinfer-shim-build",
		words:   []string{"FLASHINFER_JIT_CACHE_PROVIDER_ARCHS"},
		pattern: regexp.MustCompile(`shim build requires FLASHINFER_JIT_CACHE_PROVIDER_ARCHS`),
		cause:   "this FlashInfer parts jit-cache into providers and a shim",
	},
	{
		id:      "flashinfer-versions",
		words:   []string{"does not match flashinfer version"},
		pattern: regexp.MustCompile(`flashinfer-(cubin|jit-cache) version \(([^)]+)\) does not match flashinfer version \(([^)]+)\)`),
		cause:   "flashinfer-$1 is $2 and flashinfer is $3",
	},
	{
		id:      "conflicting-urls",
		words:   []string{"onflicting URLs for"},
		pattern: regexp.MustCompile("[Cc]onflicting URLs for (?:package )?`?([\\w.-]+)"),
		cause:   "two files of $1 were given at once",
	},
	{
		id:      "no-matching-wheel",
		words:   []string{"matching platform tag", "no usable wheels", "matching Python ABI tag", "no wheels with a matching"},
		pattern: regexp.MustCompile(`(\S+?)(?:==\S+)? has no (?:usable wheels|wheels with a matching)|no wheels with a matching (?:platform|Python ABI|Python implementation) tag`),
		cause:   "no wheel fits the base's Python and platform $1",
	},
	{
		id:      "patch-failed",
		words:   []string{"patch failed:", "patch does not apply", "hunk FAILED", "hunks FAILED"},
		pattern: regexp.MustCompile(`patch failed: (\S+)|(\S+): patch does not apply|hunks? FAILED`),
		cause:   "a patch that the build applies does not fit the tree $1$2",
	},
	{
		id:      "cutlass-internal",
		words:   []string{"Error Internal"},
		pattern: regexp.MustCompile(`(?i)cutlass.*Error Internal`),
		cause:   "CUTLASS kernels were compiled for another architecture than this GPU's",
	},
	{
		id:      "nccl-mismatch",
		words:   []string{"undefined symbol: nccl", "ismatched NCCL version"},
		pattern: regexp.MustCompile(`undefined symbol: (nccl\w+)|[Mm]ismatched NCCL version`),
		cause:   "two builds of NCCL meet: another libnccl is loaded than torch was built for $1",
	},
	{
		id:      "no-solution",
		words:   []string{"No solution found", "ResolutionImpossible"},
		pattern: regexp.MustCompile(`No solution found when resolving|ResolutionImpossible`),
		cause:   "the requirements contradict each other: most often something newer was uploaded since it last worked",
	},
	{
		id:      "download-cut",
		words:   []string{"IncompleteRead", "ended prematurely", "not a zip file", "end of central directory", "unexpected end of file"},
		pattern: regexp.MustCompile(`IncompleteRead\(\d+ bytes read|[Rr]esponse ended prematurely|File is not a zip file|end of central directory|gzip: \S+: unexpected end of file`),
		cause:   "a download ended before its last byte, or is no archive",
	},
	{
		id:      "download-timeout",
		words:   []string{"timed out", "UV_HTTP_TIMEOUT"},
		pattern: regexp.MustCompile(`UV_HTTP_TIMEOUT|Read timed out|operation timed out`),
		cause:   "a download took longer than its limit",
	},
}

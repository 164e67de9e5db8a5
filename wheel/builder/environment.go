package builder

import (
	"strconv"
	"strings"

	"github.com/sparkwheel/sparkwheel/wheel/builder/launcher"
)

const systemPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// environment is every variable that the build sees: the builder's own, then
// the Spec's, of which a later one of the same name wins. A PATH of the Spec
// stands behind the build environment's programs.
func (s *Spec) environment() []string {
	jobs := strconv.Itoa(max(s.Jobs, 1))
	env := newVariables(
		"PATH="+systemPath,
		"HOME="+s.home(), "USER=root", "LOGNAME=root", "SHELL=/bin/sh", "TERM=dumb",
		"TMPDIR=/tmp", "CFLAGS=-ffile-prefix-map="+dirSource+"=.", "CXXFLAGS=-ffile-prefix-map="+dirSource+"=.",
		"LANG=C.UTF-8", "LC_ALL=C.UTF-8", "TZ=UTC",
		"SOURCE_DATE_EPOCH="+strconv.FormatInt(s.Epoch.Unix(), 10),
		"PYTHONHASHSEED=0", "PYTHONDONTWRITEBYTECODE=1", "PYTHONUNBUFFERED=1", "PYTHONNOUSERSITE=1",
		"VIRTUAL_ENV="+dirVenv,
		"UV_CACHE_DIR="+dirCache, "UV_NO_CONFIG=1", "UV_NO_PROGRESS=1", "UV_OFFLINE=1", "UV_NO_INDEX=1", "UV_PYTHON_DOWNLOADS=never",
		"PIP_CONFIG_FILE=/dev/null", "PIP_NO_INDEX=1", "PIP_NO_INPUT=1", "PIP_DISABLE_PIP_VERSION_CHECK=1", "PIP_ROOT_USER_ACTION=ignore",
		"NO_COLOR=1",
		"MAX_JOBS="+jobs, "CMAKE_BUILD_PARALLEL_LEVEL="+jobs, "MAKEFLAGS=-j"+jobs, "CARGO_BUILD_JOBS="+jobs,
	)
	for _, kv := range s.launcherVariables() {
		env.set(kv)
	}
	for _, kv := range s.Env {
		env.set(kv)
	}
	if cuda := env.get("CUDA_HOME"); cuda != "" && s.Launcher != "" && env.get("PYTORCH_NVCC") == "" {
		env.set("PYTORCH_NVCC=" + fileLauncher + " " + cuda + "/bin/nvcc")
	}
	env.set("PATH=" + venvBin + ":" + env.get("PATH"))
	return env.list
}

func (s *Spec) home() string {
	if s.Vary != nil && s.Vary.Home != "" {
		return s.Vary.Home
	}
	return dirHome
}

// launcherVariables send every build system that knows how through the
// launcher, and tell the launcher what to do.
func (s *Spec) launcherVariables() []string {
	if s.Launcher == "" {
		return nil
	}
	vars := []string{
		"CMAKE_C_COMPILER_LAUNCHER=" + fileLauncher, "CMAKE_CXX_COMPILER_LAUNCHER=" + fileLauncher, "CMAKE_CUDA_COMPILER_LAUNCHER=" + fileLauncher,
		"FLASHINFER_CXX_LAUNCHER=" + fileLauncher, "FLASHINFER_NVCC_LAUNCHER=" + fileLauncher,
		launcher.EnvCommands + "=" + fileCommands, launcher.EnvSource + "=" + dirSource,
	}
	if len(s.RequireArch) > 0 {
		vars = append(vars, launcher.EnvRequireArch+"="+strings.Join(s.RequireArch, ","))
	}
	if s.CCache != "" {
		vars = append(vars, launcher.EnvCache+"=ccache", "CCACHE_DIR="+dirCCache, "CCACHE_BASEDIR="+dirSource,
			"CCACHE_NOHASHDIR=1", "CCACHE_COMPILERCHECK=content", "CCACHE_TEMPDIR=/tmp/ccache", "CCACHE_MAXSIZE=50G")
	}
	return vars
}

// variables is an environment in the order in which names first came.
type variables struct {
	list []string
	at   map[string]int
}

func newVariables(kvs ...string) *variables {
	v := &variables{at: map[string]int{}}
	for _, kv := range kvs {
		v.set(kv)
	}
	return v
}

func (v *variables) set(kv string) {
	key, _, _ := strings.Cut(kv, "=")
	if i, ok := v.at[key]; ok {
		v.list[i] = kv
		return
	}
	v.at[key] = len(v.list)
	v.list = append(v.list, kv)
}

func (v *variables) get(key string) string {
	i, ok := v.at[key]
	if !ok {
		return ""
	}
	return strings.TrimPrefix(v.list[i], key+"=")
}

package builder

import (
	"encoding/json"
	"os"
	"path/filepath"
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
	for _, kv := range s.Env {
		env.set(s.withJobs(kv))
	}
	if s.Launcher != "" {
		s.launch(env)
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

// launch sends every build system through the launcher: those that know
// launchers by their own variables, CMake projects that name one themselves by
// the arguments that come last. Compilers called by name are the launcher's
// links (see [launcher.Name]); one called by its absolute path gets at least
// flags for equal bytes.
func (s *Spec) launch(env *variables) {
	for _, kv := range []string{"FLASHINFER_CXX_LAUNCHER=" + fileLauncher, "FLASHINFER_NVCC_LAUNCHER=" + fileLauncher} {
		env.setDefault(kv)
	}
	for _, language := range []string{"C", "CXX", "CUDA"} {
		env.setDefault("CMAKE_" + language + "_COMPILER_LAUNCHER=" + fileLauncher)
		env.extend("CMAKE_ARGS", "-DCMAKE_"+language+"_COMPILER_LAUNCHER="+fileLauncher)
	}
	env.set("NVCC_APPEND_FLAGS=" + strings.TrimSpace(launcher.AppendFlags+" "+env.get("NVCC_APPEND_FLAGS")))
	if cuda := env.get("CUDA_HOME"); cuda != "" {
		env.setDefault("PYTORCH_NVCC=" + fileLauncher + " " + cuda + "/bin/nvcc")
	}
}

// configureLauncher writes what the launcher reads beside itself.
func (b *build) configureLauncher() error {
	if b.spec.Launcher == "" {
		return nil
	}
	config := launcher.Config{Commands: fileCommands, Source: dirSource, Gate: b.spec.Gate}
	if b.spec.CCache != "" {
		config.Cache = "ccache"
		// A base_dir would make ccache hand compilers relative paths: __FILE__, and so
		// the bytes, would differ from those of a build without it.
		config.CacheEnv = []string{"CCACHE_DIR=" + dirCCache, "CCACHE_COMPILERCHECK=content", "CCACHE_TEMPDIR=/tmp/ccache", "CCACHE_MAXSIZE=50G"}
	}
	text, err := json.Marshal(config)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(b.host(dirLaunch), launcher.ConfigFile), text, 0o644)
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

// setDefault sets what is not set yet.
func (v *variables) setDefault(kv string) {
	if key, _, _ := strings.Cut(kv, "="); v.get(key) == "" {
		v.set(kv)
	}
}

// extend adds a word to a variable that holds a list of them.
func (v *variables) extend(key, word string) {
	v.set(key + "=" + strings.TrimSpace(v.get(key)+" "+word))
}

func (v *variables) get(key string) string {
	i, ok := v.at[key]
	if !ok {
		return ""
	}
	return strings.TrimPrefix(v.list[i], key+"=")
}

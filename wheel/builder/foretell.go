package builder

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"

	"github.com/sparkwheel/sparkwheel/wheel/sandbox"
)

// Foretold is what a PEP 517 backend says before it builds a wheel.
type Foretold struct {
	// Requires is the answer of get_requires_for_build_wheel: what the build needs
	// beside build-system.requires.
	Requires []string `json:"requires"`
	// Metadata is the METADATA of prepare_metadata_for_build_wheel, "" where the
	// backend has no such hook.
	Metadata string `json:"metadata"`
	// Failed is why a hook gave no answer, "" when all did.
	Failed string `json:"failed"`
}

const (
	dirForetell  = "/build/foretell" // a copy: what hooks write is no part of the build
	fileForetell = "/build/foretell.py"
	foretold     = "foretold.json"
	maxForetold  = 16 << 20
)

// foretellScript calls a backend's hooks as PEP 517 has it. A Python without
// tomllib cannot read which backend that is.
const foretellScript = `import importlib, json, os, sys, traceback
sys.path.pop(0)
out, answer = sys.argv[1], {"requires": [], "metadata": "", "failed": ""}
try:
    import tomllib
    os.chdir(sys.argv[2])
    table = {}
    if os.path.exists("pyproject.toml"):
        with open("pyproject.toml", "rb") as f:
            table = tomllib.load(f).get("build-system", {})
    module, _, attributes = table.get("build-backend", "setuptools.build_meta:__legacy__").partition(":")
    sys.path[:0] = [os.path.abspath(p) for p in table.get("backend-path", [])]
    backend = importlib.import_module(module)
    for name in filter(None, attributes.split(".")):
        backend = getattr(backend, name)
    settings = json.loads(sys.argv[3]) or None
    hook = getattr(backend, "get_requires_for_build_wheel", None)
    if hook:
        answer["requires"] = [str(r) for r in hook(settings)]
    hook = getattr(backend, "prepare_metadata_for_build_wheel", None)
    if hook:
        os.makedirs("/build/foretold")
        name = hook("/build/foretold", settings)
        with open(os.path.join("/build/foretold", name, "METADATA"), encoding="utf-8") as f:
            answer["metadata"] = f.read()
except BaseException:
    answer["failed"] = traceback.format_exc(limit=-3)
with open(out, "w") as f:
    json.dump(answer, f)
os._exit(0)
`

func foretellArgs(s Spec) []string {
	settings, err := json.Marshal(s.Config)
	if err != nil || len(s.Config) == 0 {
		settings = []byte("{}")
	}
	return []string{venvBin + "/python", fileForetell, "/build/" + foretold, path.Join(dirForetell, s.Subdir), string(settings)}
}

// foretell asks the backend, behind the commands of before, and hands its answer
// on. A hook that fails is told in the log: the build itself will say more.
func (b *build) foretell(ctx context.Context, before [][]string) (err error) {
	if err := (copier{at: b.spec.Epoch}).tree(ctx, b.spec.Source, b.host(dirForetell)); err != nil {
		return fmt.Errorf("copying the source: %w", err)
	}
	defer func() { err = errors.Join(err, sandbox.RemoveAll(b.host(dirForetell))) }()
	if err := writeFiles(b.host(dirForetell), b.spec.Files, b.spec.Epoch); err != nil {
		return fmt.Errorf("adding files to the source: %w", err)
	}
	if err := os.WriteFile(b.host(fileForetell), []byte(foretellScript), 0o644); err != nil {
		return err
	}
	if err := b.commands(ctx, before, [][]string{foretellArgs(b.spec)}); err != nil {
		return err
	}
	answer, err := b.readForetold()
	if err != nil {
		return fmt.Errorf("reading what the build backend of %s says: %w", b.spec.Distribution, err)
	}
	if answer.Failed != "" {
		fmt.Fprintf(b.log, "sparkwheel: the build backend does not say what it will build:\n%s\n", answer.Failed)
	}
	return b.spec.Foretold(answer)
}

func (b *build) readForetold() (answer Foretold, err error) {
	root, err := os.OpenRoot(b.work)
	if err != nil {
		return answer, err
	}
	defer root.Close()
	info, err := root.Lstat(foretold)
	if err != nil {
		return answer, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxForetold {
		return answer, fmt.Errorf("%s is not a regular file of at most %d MiB", foretold, maxForetold>>20)
	}
	f, err := root.Open(foretold)
	if err != nil {
		return answer, err
	}
	defer f.Close()
	return answer, json.NewDecoder(io.LimitReader(f, maxForetold)).Decode(&answer)
}

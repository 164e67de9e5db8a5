package main

import (
	"flag"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sparkwheel/sparkwheel/wheel/sandbox"
)

var update = flag.Bool("update", false, "rewrite golden files and script output")

func TestMain(m *testing.M) {
	sandbox.Init()
	if os.Getenv("SPARKWHEEL_TEST_MAIN") != "" { // see TestSignalsEndARun
		main()
	}
	testscript.Main(m, map[string]func(){"sparkwheel": main})
}

func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "../../testdata/script",
		RequireUniqueNames:  true,
		RequireExplicitExec: true,
		UpdateScripts:       *update,
		Condition:           conditions,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"gitserver": gitServer,
			"sshserver": sshServer,
			"registry":  registryServer,
			"exits":     exits,
			"mkwheel":   makeWheel,
			"elf":       makeELF,
			"image":     writeImage,
			"unpack":    unpackImage,
			"layers":    listLayers,
		},
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOME", env.WorkDir+"/home")
			return nil
		},
	})
}

package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/sparkwheel/sparkwheel/wheel/builder"
	"github.com/sparkwheel/sparkwheel/wheel/sandbox"
)

func main() {
	sandbox.Init()
	base := "/work/tmp-sandbox/"
	root := base + "root"
	for i, spec := range []builder.Spec{
		{Distribution: "flashinfer-python", Source: base + "sdist/flashinfer_python-0.6.12", Wheels: glob(base + "w-fi/*.whl")},
		{Distribution: "vllm", Source: base + "sdist/vllm-0.22.1", Wheels: glob(base + "w-vllm/*.whl"), Env: []string{"VLLM_TARGET_DEVICE=empty", "VLLM_VERSION_OVERRIDE=0.22.1"},
			Shims: []builder.Shim{{Name: "torch", Version: "2.11.0", Files: map[string]string{
				"torch/__init__.py":               "from . import version\n__version__ = '2.11.0'\n",
				"torch/version.py":                "cuda = None\nhip = None\nxpu = None\n",
				"torch/utils/__init__.py":         "",
				"torch/utils/cpp_extension.py":    "CUDA_HOME = None\nROCM_HOME = None\n",
			}}}},
	} {
		_ = i
		spec.Python = "/usr/bin/python3"
		spec.UV = base + "uvenv/bin/uv"
		spec.Epoch = time.Unix(1760000000, 0)
		dir, _ := os.MkdirTemp(os.Args[1], "d*")
		t := time.Now()
		files, err := builder.Wheels(context.Background(), &sandbox.Sandbox{Root: root}, spec, dir, os.Stderr)
		if err != nil {
			fmt.Println("ERR", err)
			if e, ok := errors.AsType[*sandbox.ExitError](err); ok {
				fmt.Printf("TAIL %s\n", e.Tail)
			}
			continue
		}
		f, _ := os.Open(files[0])
		h := sha256.New()
		io.Copy(h, f)
		fmt.Printf("%s %x %v\n", filepath.Base(files[0]), h.Sum(nil), time.Since(t))
	}
}

func glob(p string) []string { m, _ := filepath.Glob(p); return m }

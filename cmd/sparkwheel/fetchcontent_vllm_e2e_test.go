package main

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/requirements/fetchcontent"
	"github.com/sparkwheel/sparkwheel/wheel/index"
)

// sdist brings a release of vLLM from the Python index that this machine's user
// has set up, and unpacks what CMake reads of it.
func sdist(t *testing.T, version string) *os.Root {
	t.Helper()
	s := index.Settings{UVDefaultIndex: os.Getenv("UV_DEFAULT_INDEX"), UVIndexURL: os.Getenv("UV_INDEX_URL"), PIPIndexURL: os.Getenv("PIP_INDEX_URL")}
	for _, path := range index.PipConfPaths(os.Getenv("HOME"), os.Getenv("XDG_CONFIG_HOME"), os.Getenv("PIP_CONFIG_FILE")) {
		if data, err := os.ReadFile(path); err == nil {
			s.PipConf = append(s.PipConf, index.ConfFile{Name: path, Data: data})
		}
	}
	url, _, err := s.Index()
	if err != nil {
		t.Fatal(err)
	}
	c := &index.Client{Index: url}
	files, err := c.Files(t.Context(), "vllm")
	if err != nil {
		t.Fatal(err)
	}
	file, err := index.Sdist("vllm", version, files)
	if err != nil {
		t.Fatal(err)
	}
	packed, err := c.Download(t.Context(), file.Pin("vllm"), t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := unpackCMake(t.Context(), packed, dir); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root
}

func unpackCMake(ctx context.Context, packed, dir string) error {
	f, err := os.Open(packed)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	for r := tar.NewReader(z); ctx.Err() == nil; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		_, name, _ := strings.Cut(path.Clean(h.Name), "/")
		if path.Base(name) != "CMakeLists.txt" && path.Ext(name) != ".cmake" || !filepath.IsLocal(name) {
			continue
		}
		text, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Join(dir, path.Dir(name)), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// TestE2EFindsWhatVLLMFetches reads the CMake files of real releases, for CUDA.
func TestE2EFindsWhatVLLMFetches(t *testing.T) {
	if os.Getenv("SPARKWHEEL_E2E") == "" {
		t.Skip("needs the Python index: set SPARKWHEEL_E2E=1")
	}
	spark, err := recipe.Load("spark")
	if err != nil {
		t.Fatal(err)
	}
	cutlass := "FetchContent_Declare cutlass https://github.com/nvidia/cutlass.git "
	flashmla := "FetchContent_Declare flashmla https://github.com/vllm-project/FlashMLA "
	flashAttn := "FetchContent_Declare vllm-flash-attn https://github.com/vllm-project/flash-attention.git "
	triton := "FetchContent_Declare triton_kernels https://github.com/triton-lang/triton.git v3.5.1 TRITON_KERNELS_SRC_DIR"
	for version, want := range map[string][]string{
		"0.11.0": {
			cutlass + "v4.0.0 VLLM_CUTLASS_SRC_DIR",
			flashmla + "5f65b85703c7ed75fda01e06495077caad207c3f FLASH_MLA_SRC_DIR",
			flashAttn + "ee4d25bd84e0cbc7e0b9b9685085fd5db2dcb62a VLLM_FLASH_ATTN_SRC_DIR",
		},
		"0.22.1": {
			cutlass + "v4.4.2 VLLM_CUTLASS_SRC_DIR",
			triton,
			"FetchContent_Declare deepgemm https://github.com/deepseek-ai/DeepGEMM.git 891d57b4db1071624b5c8fa0d1e51cb317fa709f DEEPGEMM_SRC_DIR",
			flashmla + "a6ec2ba7bd0a7dff98b3f4d3e6b52b159c48d78b FLASH_MLA_SRC_DIR",
			"FetchContent_Declare qutlass https://github.com/IST-DASLab/qutlass.git 830d2c4537c7396e14a02a46fbddd18b5d107c65 QUTLASS_SRC_DIR",
			flashAttn + "bce29425653ec0fbc579d329883030e832d15ada VLLM_FLASH_ATTN_SRC_DIR",
		},
		"0.24.0": {
			cutlass + "v4.4.2 VLLM_CUTLASS_SRC_DIR",
			triton,
			"FetchContent_Populate deepgemm https://github.com/deepseek-ai/DeepGEMM.git 891d57b4db1071624b5c8fa0d1e51cb317fa709f DEEPGEMM_SRC_DIR",
			"FetchContent_Declare fmha_sm100 https://github.com/vllm-project/MSA.git fee783153f3efe57e3e933c5cb7e267a7cebcfb5 FMHA_SM100_SRC_DIR",
			flashmla + "a6ec2ba7bd0a7dff98b3f4d3e6b52b159c48d78b FLASH_MLA_SRC_DIR",
			"FetchContent_Populate qutlass https://github.com/IST-DASLab/qutlass.git 830d2c4537c7396e14a02a46fbddd18b5d107c65 QUTLASS_SRC_DIR",
			flashAttn + "803020a8fa15407871341d41eba4919ade2ee1ee VLLM_FLASH_ATTN_SRC_DIR",
		},
	} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			tree := sdist(t, version)
			for _, variables := range []map[string]string{nil, spark.Wheels[0].FetchContent.Variables} {
				result, err := fetchcontent.Read(tree.FS(), fetchcontent.Options{Root: "/build/src", Variables: variables})
				if err != nil {
					t.Fatal(err)
				}
				var got []string
				for _, c := range result.Contents {
					got = append(got, strings.Join([]string{string(c.Way), c.Name, c.URL, c.Tag, c.Variable}, " "))
					if len(c.Open)+len(c.Rivals) > 0 || !c.FromEnvironment || variables != nil && c.Way == fetchcontent.Declared && len(c.When) > 0 {
						t.Errorf("told %v, not settled: %+v", variables, c)
					}
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("told %v, found (-want +got):\n%s", variables, diff)
				}
				for _, n := range result.Notes {
					t.Errorf("told %v: %s", variables, n)
				}
			}
		})
	}
}

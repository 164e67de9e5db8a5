package recipe

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/git"
)

func TestEmbeddedRecipesLoad(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff([]string{"empty", "spark"}, Names()); diff != "" {
		t.Errorf("Names (-want +got):\n%s", diff)
	}
	for _, name := range Names() {
		r, err := Load(name)
		if err != nil {
			t.Errorf("Load(%q): %v", name, err)
			continue
		}
		if r.Name != name || r.Path != "" || !strings.HasPrefix(r.Digest, "sha256:") {
			t.Errorf("Load(%q) is named %q, %q, %q", name, r.Name, r.Path, r.Digest)
		}
	}
}

// The provenance page is what the recipe spark has to say.
func TestSparkSaysThePage(t *testing.T) {
	t.Parallel()
	r, err := Load("spark")
	if err != nil {
		t.Fatal(err)
	}
	vllm, _ := r.Source("vllm")
	flashinfer, _ := r.Source("flashinfer")
	type page struct {
		Target           Target
		Base             string
		VLLM, FlashInfer git.Source
		Drop             []string
		Torch, Arch      string
	}
	got := page{r.Target, r.Base.String(), vllm.Git, flashinfer.Git, vllm.Rewrite.Drop, vllm.Rewrite.Pin["torch"], r.Wheels[0].Environment["TORCH_CUDA_ARCH_LIST"]}
	want := page{
		Target{"linux/arm64", "3.12", "13.2", "12.1a"}, "docker.io/nvidia/cuda:13.2.0-devel-ubuntu24.04",
		git.Source{URL: "https://github.com/vllm-project/vllm.git", Ref: "ace95c9cf8307301fbcdffacc4ab44e4d5e6829a"},
		git.Source{URL: "https://github.com/flashinfer-ai/flashinfer.git", Ref: "1d54c5c6c74b709a6c5e681a67d5b4466362cbd7"},
		[]string{"flashinfer", "flashinfer-*", "triton", "fastsafetensors"}, "==2.11.0", "12.1a",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("spark (-want +got):\n%s", diff)
	}
	nccl, _ := r.Source("nccl")
	b, ok := r.Build("nccl")
	if !ok || nccl.Git != (git.Source{URL: "https://github.com/zyang-dev/nccl.git", Ref: "dgxspark-3node-ring"}) || !b.Installs("build") || !b.Installs("image") ||
		!slices.Equal(b.Steps[0][2:4], []string{"src.build", "NVCC_GENCODE=-gencode=arch=compute_121,code=sm_121"}) {
		t.Errorf("spark builds NCCL so: %+v from %+v", b, nccl)
	}
	if len(r.Missing) != 0 || r.Runtime.Provided["nvidia-nccl-cu13"] != "libnccl2" {
		t.Errorf("spark misses %q and takes %v from packages", r.Missing, r.Runtime.Provided)
	}
}

const minimal = `
[target]
platform = "host"
python = "base"
[base]
image = "b"
[tools]
uv = "0.13.9"
[[source]]
name = "a"
url = "https://example.com/a.git"
ref = "main"
version = "tag"
[[wheel]]
name = "a"
source = "a"
`

func TestParseFaults(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		text string
		want []string
	}{
		"unknown key": {strings.Replace(minimal, "python =", "pyhton =", 1), []string{"r.toml:4:1: unknown key target.pyhton (nearest known key: python)"}},
		"no TOML":     {minimal + "x = = 1\n", []string{"r.toml:17:5: ", "17| x = = 1"}},
		"a base that is none": {
			strings.Replace(minimal, `image = "b"`, `image = "tar:"`, 1),
			[]string{`"tar:" is not the name of an image: a path is missing after tar:`, "r.toml:", `image = "tar:"`},
		},
		"a wheel of no source": {
			strings.Replace(minimal, `source = "a"`, `source = "b"`, 1),
			[]string{`wheel "a": no [[source]] is named "b"; choose from a`},
		},
		"all at once": {
			strings.NewReplacer(`platform = "host"`, `platform = "windows"`, `uv = "0.13.9"`, ``, `ref = "main"`, ``).Replace(minimal),
			[]string{"target.platform", "tools.uv is missing", "url and ref are both needed"},
		},
		"a path out of the tree": {
			minimal + "subdirectory = \"../x\"\n",
			[]string{`subdirectory "../x" leaves the tree`},
		},
		"a file that goes nowhere": {
			minimal + "[[file]]\nname = \"f\"\nurl = \"https://example.com/f\"\n",
			[]string{`file "f" is not used`},
		},
		"a file of all faults": {
			minimal + "[[file]]\nname = \"F\"\nurl = \"file:///f\"\nsha256 = \"AB\"\nimage = \"/a/../b\"\n",
			[]string{`file "F": a file's name consists of`, `neither http:// nor https://`, `sha256 "AB" is not`, `image "/a/../b" is not`},
		},
		"a file in the record's place": {
			minimal + "[[file]]\nname = \"f\"\nurl = \"https://example.com/f\"\nimage = \"/workspace/build.json\"\n",
			[]string{`image "/workspace/build.json" is the path of the image's own record`},
		},
		"a password": {
			minimal + "[[file]]\nname = \"f\"\nurl = \"https://u:p@example.com/f\"\nimage = \"/f\"\n",
			[]string{`url at example.com has credentials`},
		},
		"files in each other's way": {
			minimal + "[[file]]\nname = \"f\"\nurl = \"https://example.com/f\"\nimage = \"/a\"\n[[file]]\nname = \"f\"\nurl = \"https://example.com/g\"\nimage = \"/a/b\"\n",
			[]string{`image "/a/b" is in the way of "/a"`, `"f" occurs twice`},
		},
		"inputs of nothing": {
			minimal + "inputs = { f = \"/x\", g = \"../x\" }\n",
			[]string{`inputs: f: nothing in the recipe has that name; choose from none`, `inputs: g: "../x" is neither`},
		},
		"a size that is none": {minimal + "memory-per-job = \"lots\"\n", []string{"memory-per-job is not a size"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse("r", "r.toml", []byte(tt.text))
			if err == nil {
				t.Fatal("Parse took it")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not say %q", err, want)
				}
			}
		})
	}
}

func TestWith(t *testing.T) {
	t.Parallel()
	r, err := Parse("r", "", []byte(minimal))
	if err != nil {
		t.Fatal(err)
	}
	changed, err := r.With(Override{Refs: map[string]string{"a": "v2"}, Base: tarFile("x")})
	if err != nil {
		t.Fatal(err)
	}
	if got := []string{changed.Sources[0].Git.Ref, changed.Base.String(), r.Sources[0].Git.Ref, r.Base.String()}; !slices.Equal(got, []string{"v2", "tar:x", "main", "b"}) {
		t.Errorf("override gave %q", got)
	}
	if _, err := r.With(Override{Refs: map[string]string{"c": "v2"}}); err == nil || !strings.Contains(err.Error(), "it has a") {
		t.Errorf("an unknown source gave %v", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, name := range Names() {
		text, err := embedded.ReadFile("recipes/" + name + ".toml")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(minimal))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := Parse("f", "", text)
		if err == nil && len(r.Wheels)+len(r.Builds) == 0 && r.Runtime.Empty() {
			t.Error("a recipe that makes nothing passed")
		}
	})
}

// A recipe that an editor began with a byte order mark is read; one in UTF-16 is
// called that.
func TestByteOrderMarks(t *testing.T) {
	t.Parallel()
	text, err := embedded.ReadFile("recipes/empty.toml")
	if err != nil {
		t.Fatal(err)
	}
	plain, err := Parse("r", "r.toml", text)
	if err != nil {
		t.Fatal(err)
	}
	marked, err := Parse("r", "r.toml", append([]byte("\xef\xbb\xbf"), text...))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(plain.Sources, marked.Sources); diff != "" {
		t.Error(diff)
	}
	for _, mark := range []string{"\xff\xfe", "\xfe\xff"} {
		if _, err := Parse("r", "r.toml", []byte(mark+"[\x00")); err == nil || !strings.Contains(err.Error(), "save it as UTF-8") {
			t.Error(err)
		}
	}
}

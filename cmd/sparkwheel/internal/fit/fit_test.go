package fit_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/fit"
	"github.com/sparkwheel/sparkwheel/layer"
	"github.com/sparkwheel/sparkwheel/layer/listing"
	"github.com/sparkwheel/sparkwheel/requirements"
	"github.com/sparkwheel/sparkwheel/wheel"
	"github.com/sparkwheel/sparkwheel/wheel/install"
	"github.com/sparkwheel/sparkwheel/wheel/installed"
	"github.com/sparkwheel/sparkwheel/wheel/wheeltest"
)

const (
	site   = "usr/local/lib/python3.12/site-packages/"
	debian = "usr/lib/python3/dist-packages/"
)

// treeOf is what wheels are installed as.
func treeOf(t testing.TB, all ...*wheeltest.Wheel) (fs.FS, []fit.Wheel) {
	t.Helper()
	var readers []*wheel.Reader
	var wheels []fit.Wheel
	for _, w := range all {
		r, err := wheel.Open(w.Write(t, t.TempDir()))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Close() })
		readers = append(readers, r)
		wheels = append(wheels, fit.Wheel{File: r.Filename.String(), Name: r.Filename.Distribution, Version: r.Filename.Version})
	}
	tree, err := install.Tree(install.UsrLocal("3.12"), readers...)
	if err != nil {
		t.Fatal(err)
	}
	return tree, wheels
}

func keep(name string, size int64) listing.Reader {
	if installed.Content(name) {
		return listing.Whole(size, 1<<20)
	}
	return nil
}

// baseOf is a base that has old wheels, installed as pip would, and more files:
// "-> x" is a link to x, a path that ends in a slash a directory.
func baseOf(t testing.TB, more map[string]string, old ...*wheeltest.Wheel) *listing.Files {
	t.Helper()
	files := listing.New()
	if len(old) > 0 {
		tree, _ := treeOf(t, old...)
		blob, err := layer.Write(t.Context(), t.TempDir(), tree, layer.Options{})
		if err != nil {
			t.Fatal(err)
		}
		r, err := blob.Uncompressed()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		apply(t, files, r)
	}
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, name := range slices.Sorted(maps.Keys(more)) {
		h := tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(more[name]))}
		if link, ok := strings.CutPrefix(more[name], "-> "); ok {
			h.Typeflag, h.Linkname, h.Size = tar.TypeSymlink, link, 0
		} else if strings.HasSuffix(name, "/") {
			h.Typeflag, h.Mode = tar.TypeDir, 0o755
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Size > 0 {
			if _, err := w.Write([]byte(more[name])); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	apply(t, files, &buf)
	return files
}

func apply(t testing.TB, files *listing.Files, tar interface{ Read([]byte) (int, error) }) {
	t.Helper()
	var list bytes.Buffer
	if err := listing.Write(t.Context(), &list, tar, keep); err != nil {
		t.Fatal(err)
	}
	if err := files.Apply(&list); err != nil {
		t.Fatal(err)
	}
}

func on(files *listing.Files) fit.Base {
	return fit.Base{Files: files, Scheme: install.UsrLocal("3.12"), Path: []string{strings.Trim(site, "/"), strings.Trim(debian, "/")}}
}

func requests(version string, members ...string) *wheeltest.Wheel {
	return wheeltest.New("requests-"+version+"-py3-none-any.whl", members...)
}

func TestJudgeReplacesAsPipDoes(t *testing.T) {
	t.Parallel()
	old := requests("2.32.4", "requests/__init__.py", "4", "requests/old/only.py", "4", "requests/both.py", "4", "requests_old.py", "4",
		"requests-2.32.4.data/scripts/fetch", "#!python\n", "requests-2.32.4.data/data/share/doc/requests/README", "4", "shared/ours.py", "4")
	base := baseOf(t, map[string]string{
		site + "requests/__pycache__/__init__.cpython-312.pyc":   "c",
		site + "requests/__pycache__/both.cpython-312.opt-1.pyc": "c",
		site + "requests/__pycache__/users.cpython-312.pyc":      "c",
		site + "requests/old/__pycache__/only.cpython-312.pyc":   "c",
		site + "__pycache__/requests_old.cpython-312.pyc":        "c",
		site + "shared/theirs.py":                                "x",
		site + "requests-2.32.4.dist-info/left-by-somebody":      "x",
	}, old, wheeltest.New("urllib3-2.0-py3-none-any.whl", "urllib3.py", "2"))
	tree, wheels := treeOf(t, requests("2.32.3", "requests/__init__.py", "3", "requests/both.py", "3", "requests/new.py", "3"))
	got, err := fit.Judge(on(base), tree, wheels, fit.Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := fit.Verdict{
		Replaced: []fit.Replaced{{Name: "requests", Version: "2.32.4", Wheel: "requests-2.32.3-py3-none-any.whl"}},
		Whiteouts: []string{
			"usr/local/bin/fetch",
			site + "__pycache__",
			site + "requests-2.32.4.dist-info",
			site + "requests/__pycache__/__init__.cpython-312.pyc",
			site + "requests/__pycache__/both.cpython-312.opt-1.pyc",
			site + "requests/old",
			site + "requests_old.py",
			site + "shared/ours.py",
			"usr/local/share",
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("verdict (-want +got):\n%s", diff)
	}
	if !got.Hides(site+"requests/old/only.py") || got.Hides(site+"requests/both.py") {
		t.Error("Hides does not say what the whiteouts do")
	}
}

// A package that became a module, and the other way round.
func TestJudgeLetsFilesAndDirectoriesOfOneDistributionChangePlaces(t *testing.T) {
	t.Parallel()
	base := baseOf(t, nil, requests("1.0", "a/__init__.py", "1", "b.py", "1", "c", "1"))
	tree, wheels := treeOf(t, requests("2.0", "a", "2", "c/d", "2"))
	got, err := fit.Judge(on(base), tree, wheels, fit.Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{site + "a", site + "b.py", site + "c", site + "requests-1.0.dist-info"}
	if diff := cmp.Diff(want, got.Whiteouts); diff != "" {
		t.Errorf("whiteouts (-want +got):\n%s", diff)
	}
}

func TestJudgeLeavesOtherDistributionsAlone(t *testing.T) {
	t.Parallel()
	base := baseOf(t, map[string]string{debian + "six-1.egg-info": "Metadata-Version: 1.1\nName: six\nVersion: 1\n"}, requests("1.0", "requests.py", "1"))
	tree, wheels := treeOf(t, wheeltest.New("urllib3-2.0-py3-none-any.whl", "urllib3.py", "2"))
	got, err := fit.Judge(on(base), tree, wheels, fit.Options{NoReplace: true})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(fit.Verdict{}, got); diff != "" {
		t.Errorf("verdict (-want +got):\n%s", diff)
	}
}

func TestJudgeLeavesFilesOutsideTheScheme(t *testing.T) {
	t.Parallel()
	base := baseOf(t, map[string]string{
		"etc/passwd": "root", site + "requests-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: requests\nVersion: 1.0\n",
		site + "requests-1.0.dist-info/RECORD": "../../../../../etc/passwd,,\n/etc/passwd,,\n../../../../../../../etc/passwd,,\nrequests-1.0.dist-info/RECORD,,\nnot/there.py,,\nlink/passwd,,\n",
		site + "link":                          "-> /etc",
	})
	tree, wheels := treeOf(t, requests("2.0", "requests.py", "2"))
	got, err := fit.Judge(on(base), tree, wheels, fit.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{site + "requests-1.0.dist-info"}, got.Whiteouts); diff != "" {
		t.Errorf("whiteouts (-want +got):\n%s", diff)
	}
	if len(got.Left) == 0 || got.Left[0] != "etc/passwd" {
		t.Errorf("left is %q", got.Left)
	}
}

const meta = "Metadata-Version: 2.1\nName: requests\nVersion: 1.0\n"

func TestJudgeRefuses(t *testing.T) {
	t.Parallel()
	plain := requests("2.0", "requests/__init__.py", "2", "requests-2.0.data/data/share/doc/x", "2", "requests-2.0.data/scripts/fetch", "#!python\n")
	dpkg := func(owned ...string) func([]string) (map[string]string, error) {
		return func(paths []string) (map[string]string, error) {
			found := map[string]string{}
			for _, p := range paths {
				if slices.Contains(owned, p) {
					found[p] = "python3-requests"
				}
			}
			return found, nil
		}
	}
	for _, test := range []struct {
		name   string
		base   map[string]string
		old    *wheeltest.Wheel
		wheel  *wheeltest.Wheel
		owners func([]string) (map[string]string, error)
		opt    fit.Options
		want   []string // code and path of each problem
		says   string
	}{
		{name: "nothing is to be replaced", old: requests("1.0", "requests.py", "1"), opt: fit.Options{NoReplace: true},
			want: []string{"replaces-distribution " + site + "requests-1.0.dist-info"}, says: "the base already has requests 1.0"},
		{name: "no RECORD", base: map[string]string{site + "requests-1.0.dist-info/METADATA": meta},
			want: []string{"no-record " + site + "requests-1.0.dist-info"}},
		{name: "a damaged RECORD", base: map[string]string{site + "requests-1.0.dist-info/METADATA": meta, site + "requests-1.0.dist-info/RECORD": "x\n"},
			want: []string{"no-record " + site + "requests-1.0.dist-info"}},
		{name: "damaged METADATA without RECORD", base: map[string]string{site + "requests-1.0.dist-info/METADATA": "\x00"},
			want: []string{"no-record " + site + "requests-1.0.dist-info"}, says: "requests 1.0"},
		{name: "an egg", base: map[string]string{site + "requests-1.0-py3.12.egg/EGG-INFO/PKG-INFO": meta},
			want: []string{"no-record " + site + "requests-1.0-py3.12.egg"}},
		{name: "distutils", base: map[string]string{site + "requests-1.0.egg-info": meta},
			want: []string{"no-record " + site + "requests-1.0.egg-info"}},
		{name: "editable", base: map[string]string{site + "requests-1.0.dist-info/METADATA": meta, site + "requests-1.0.dist-info/RECORD": "__editable__.requests.pth,,\n",
			site + "requests-1.0.dist-info/direct_url.json": `{"dir_info": {"editable": true}, "url": "file:///src"}`},
			want: []string{"editable " + site + "requests-1.0.dist-info"}},
		{name: "develop", base: map[string]string{site + "requests.egg-link": "/src\n."}, want: []string{"editable " + site + "requests.egg-link"}},
		{name: "a Debian package's", base: map[string]string{debian + "requests-1.0.egg-info": meta}, owners: dpkg(debian + "requests-1.0.egg-info"),
			want: []string{"debian-package " + debian + "requests-1.0.egg-info"}, says: "python3-requests"},
		{name: "a Debian package's, with RECORD", base: map[string]string{site + "requests-1.0.dist-info/METADATA": meta, site + "requests-1.0.dist-info/RECORD": "requests.py,,\n", site + "requests.py": "1"},
			owners: dpkg(site + "requests.py"), want: []string{"debian-package " + site + "requests-1.0.dist-info"}},
		{name: "a Debian package's by its INSTALLER", base: map[string]string{site + "requests-1.0.dist-info/METADATA": meta, site + "requests-1.0.dist-info/INSTALLER": "debian\n"},
			opt: fit.Options{Shadow: []requirements.Name{"requests"}}, want: []string{"debian-package " + site + "requests-1.0.dist-info"}},
		{name: "a file where the base has a directory", base: map[string]string{site + "requests/__init__.py/x": "1"},
			want: []string{"directory-in-the-way " + site + "requests/__init__.py"}, says: "requests-2.0-py3-none-any.whl: its file /" + site + "requests/__init__.py is a directory of the base"},
		{name: "data/bin as a file", wheel: requests("2.0", "requests-2.0.data/data/bin", "2"), base: map[string]string{"usr/local/bin/python3": "x"},
			want: []string{"directory-in-the-way usr/local/bin"}},
		{name: "a directory over a file", base: map[string]string{site + "requests": "1"}, want: []string{"file-in-the-way " + site + "requests"}},
		{name: "the scheme's directory is a file", base: map[string]string{"usr/local/share": "1"}, want: []string{"file-in-the-way usr/local/share"}},
		{name: "a directory over a dangling link", base: map[string]string{site + "requests": "-> ../gone"}, want: []string{"link-in-the-way " + site + "requests"}, says: "leads nowhere"},
		{name: "a directory over a loop", base: map[string]string{site + "requests": "-> requests"}, want: []string{"link-in-the-way " + site + "requests"}, says: "forms a loop"},
		{name: "a directory over a link to a file", base: map[string]string{site + "requests": "-> /etc/passwd", "etc/passwd": "x"}, want: []string{"link-in-the-way " + site + "requests"}},
		{name: "a link leads elsewhere", base: map[string]string{site + "requests": "-> /opt/requests", "opt/requests/": ""}, want: []string{"link-in-the-way " + site + "requests"}, says: "/opt/requests: its files would be written there"},
		{name: "a link leads to another package", base: map[string]string{site + "requests": "-> urllib3", site + "urllib3/": ""}, want: []string{"link-in-the-way " + site + "requests"}},
		{name: "data behind a link out of usr/local", base: map[string]string{"usr/local/share/doc": "-> /usr/share/doc", "usr/share/doc/": ""}, want: []string{"link-in-the-way usr/local/share/doc"}},
		{name: "a file over a link to a directory", base: map[string]string{"usr/local/bin/fetch": "-> /opt", "opt/": ""}, want: []string{"link-in-the-way usr/local/bin/fetch"}},
		{name: "the scheme's directory is a dangling link", base: map[string]string{"usr/local/bin": "-> /opt/bin"}, want: []string{"link-in-the-way usr/local/bin"}},
		{name: "all at once", base: map[string]string{site + "requests": "1", "usr/local/share/doc/x/y": "1"},
			want: []string{"directory-in-the-way usr/local/share/doc/x", "file-in-the-way " + site + "requests"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var old []*wheeltest.Wheel
			if test.old != nil {
				old = append(old, test.old)
			}
			w := plain
			if test.wheel != nil {
				w = test.wheel
			}
			base := on(baseOf(t, test.base, old...))
			base.Owners = test.owners
			tree, wheels := treeOf(t, w)
			v, err := fit.Judge(base, tree, wheels, test.opt)
			var refused *fit.Error
			if !errors.As(err, &refused) {
				t.Fatalf("verdict is %+v, %v", v, err)
			}
			var got []string
			for _, p := range refused.Problems {
				got = append(got, p.Code+" "+p.Path)
				if p.Wheel != wheels[0].File {
					t.Errorf("problem names %q", p.Wheel)
				}
			}
			slices.Sort(got)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
			if !strings.Contains(err.Error(), test.says) {
				t.Errorf("%v\ndoes not say %q", err, test.says)
			}
		})
	}
}

func TestJudgeAcceptsWhatLiesWell(t *testing.T) {
	t.Parallel()
	plain := requests("2.0", "requests/__init__.py", "2", "requests-2.0.data/data/share/doc/x", "2", "requests-2.0.data/data/man/man1/x.1", "2", "requests-2.0.data/scripts/fetch", "#!python\n")
	for name, base := range map[string]map[string]string{
		"an empty base":                {},
		"files over files":             {site + "requests/__init__.py": "1", "usr/local/bin/fetch": "1"},
		"a file over a link to a file": {"usr/local/bin/fetch": "-> /etc/passwd", "etc/passwd": "x"},
		"a file over a dangling link":  {"usr/local/bin/fetch": "-> gone"},
		"site-packages behind a link":  {"usr/local/lib/python3.12": "-> /opt/python", "opt/python/site-packages/": ""},
		"usr/local behind a link":      {"usr/local": "-> /opt/local", "opt/local/": ""},
		"Debian's usr/local/man":       {"usr/local/man": "-> share/man", "usr/local/share/man/": ""},
		"lib64 beside":                 {"usr/local/lib64": "-> lib", "usr/local/lib/": ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tree, wheels := treeOf(t, plain)
			if v, err := fit.Judge(on(baseOf(t, base)), tree, wheels, fit.Options{NoReplace: true}); err != nil || len(v.Whiteouts) > 0 {
				t.Errorf("verdict is %+v, %v", v, err)
			}
		})
	}
}

func TestJudgeShadowsWhatIsAllowed(t *testing.T) {
	t.Parallel()
	base := on(baseOf(t, map[string]string{debian + "requests-1.0.egg-info": meta}))
	base.Owners = func(paths []string) (map[string]string, error) {
		return map[string]string{paths[0]: "python3-requests"}, nil
	}
	tree, wheels := treeOf(t, requests("2.0", "requests.py", "2"))
	v, err := fit.Judge(base, tree, wheels, fit.Options{Shadow: []requirements.Name{"requests"}})
	if err != nil || len(v.Shadowed) != 1 || len(v.Whiteouts) != 0 || len(v.Replaced) != 0 {
		t.Errorf("verdict is %+v, %v", v, err)
	}
}

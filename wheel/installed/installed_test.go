package installed_test

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/sparkwheel/sparkwheel/wheel/installed"
)

func metadata(name, version string) string {
	return "Metadata-Version: 2.1\nName: " + name + "\nVersion: " + version + "\n\n"
}

func fsOf(files map[string]string) fstest.MapFS {
	fsys := fstest.MapFS{}
	for name, text := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return fsys
}

const site = "usr/local/lib/python3.12/dist-packages/"

func TestReadFindsDistributions(t *testing.T) {
	t.Parallel()
	fsys := fsOf(map[string]string{
		site + "requests-2.32.4.dist-info/METADATA":  metadata("requests", "2.32.4"),
		site + "requests-2.32.4.dist-info/INSTALLER": "pip\n",
		site + "requests-2.32.4.dist-info/RECORD": "requests/__init__.py,,\nrequests/__init__.py,,\n../../../bin/fetch,sha256=x,3\n" +
			"/usr/local/share/x,,\n../../../../../../../etc/passwd,,\n\"requests/a,b.py\",,\nrequests-2.32.4.dist-info/RECORD,,\n",
		site + "Odd_Name-1.0.dist-info/METADATA":        metadata("Odd.Name", "1.0"),
		site + "cut-1.0.dist-info/METADATA":             metadata("cut", "1.0"),
		site + "cut-1.0.dist-info/RECORD":               "one,field\n",
		site + "damaged-2.0.dist-info/METADATA":         "\x00",
		site + "checkout-3.0.dist-info/METADATA":        metadata("checkout", "3.0"),
		site + "checkout-3.0.dist-info/RECORD":          "x,,\n",
		site + "checkout-3.0.dist-info/direct_url.json": `{"url": "file:///src", "dir_info": {"editable": true}}`,
		site + "develop.egg-link":                       "/src\n.",
		site + "old-0.1.egg-info/PKG-INFO":              metadata("old", "0.1"),
		site + "older-0.2-py3.12.egg-info":              metadata("older", "0.2"),
		site + "easy-0.3-py3.12.egg/EGG-INFO/PKG-INFO":  metadata("easy", "0.3"),
		site + "~equests-2.32.3.dist-info/METADATA":     metadata("requests", "2.32.3"),
		site + "requests/__init__.py":                   "",
		"usr/lib/python3/dist-packages/six-1.egg-info":  metadata("six", "1"),
		"usr/lib/python3/dist-packages/old-9.egg-info":  metadata("old", "9"),
	})
	got, err := installed.Read(fsys, []string{strings.Trim(site, "/"), "no/where", strings.Trim(site, "/"), "usr/lib/python3/dist-packages"})
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, d := range got {
		lines = append(lines, strings.Join([]string{string(d.Name), d.Version.String(), string(d.How), d.Installer, d.Dir}, " "))
	}
	want := []string{
		"odd-name 1.0 unrecorded  " + site[:len(site)-1],
		"checkout 3.0 editable  " + site[:len(site)-1],
		"cut 1.0 recorded  " + site[:len(site)-1],
		"damaged 2.0 unrecorded  " + site[:len(site)-1],
		"develop  editable  " + site[:len(site)-1],
		"easy 0.3 unrecorded  " + site[:len(site)-1],
		"old 0.1 unrecorded  " + site[:len(site)-1],
		"older 0.2 unrecorded  " + site[:len(site)-1],
		"requests 2.32.4 recorded pip " + site[:len(site)-1],
		"old 9 unrecorded  usr/lib/python3/dist-packages",
		"six 1 unrecorded  usr/lib/python3/dist-packages",
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("distributions (-want +got):\n%s", diff)
	}
	requests := got[slices.IndexFunc(got, func(d installed.Distribution) bool { return d.Name == "requests" })]
	wantFiles := []string{
		"usr/local/bin/fetch", site + "requests-2.32.4.dist-info/RECORD", site + "requests/__init__.py", site + "requests/a,b.py", "usr/local/share/x",
	}
	files, outside, err := requests.Files(fsys)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(wantFiles, files); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"../../../../../../../etc/passwd"}, outside); diff != "" {
		t.Errorf("outside (-want +got):\n%s", diff)
	}
}

func TestFilesOfADamagedRecordAreAnError(t *testing.T) {
	t.Parallel()
	fsys := fsOf(map[string]string{"s/a-1.dist-info/METADATA": metadata("a", "1"), "s/a-1.dist-info/RECORD": "one,field\n"})
	got, err := installed.Read(fsys, []string{"s"})
	if err != nil || len(got) != 1 {
		t.Fatalf("%v, %v", got, err)
	}
	if files, _, err := got[0].Files(fsys); err == nil {
		t.Errorf("its files are %q", files)
	}
}

func TestContentCoversWhatReadOpens(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		site + "x-1.dist-info/METADATA": true, site + "x-1.dist-info/RECORD": true, site + "x-1.dist-info/LICENSE": false,
		site + "x-1.egg-info/PKG-INFO": true, site + "x-1.egg-info": true, site + "x.egg/EGG-INFO/PKG-INFO": true,
		site + "x/METADATA": false, site + "x.py": false,
	} {
		if got := installed.Content(name); got != want {
			t.Errorf("Content(%q) = %v", name, got)
		}
	}
}

// FuzzRead lets any RECORD and METADATA at Read: what it gives stays in the file
// system.
func FuzzRead(f *testing.F) {
	f.Add(metadata("a", "1"), "a.py,,\n../../x,,\n")
	f.Add("", "/,,\n..,,\n.,,\n")
	f.Add(metadata("a", "1"), "\"\"\"\n")
	f.Fuzz(func(t *testing.T, meta, record string) {
		fsys := fsOf(map[string]string{"s/a-1.dist-info/METADATA": meta, "s/a-1.dist-info/RECORD": record})
		got, err := installed.Read(fsys, []string{"s"})
		if err != nil || len(got) > 1 {
			t.Fatalf("%v, %v", got, err)
		}
		for _, d := range got {
			files, _, _ := d.Files(fsys)
			for _, name := range files {
				if strings.HasPrefix(name, "/") || name == ".." || strings.HasPrefix(name, "../") || name == "." {
					t.Errorf("file %q", name)
				}
			}
		}
	})
}

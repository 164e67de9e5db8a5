package install_test

import (
	"strings"
	"testing"

	"github.com/sparkwheel/sparkwheel/wheel/install"
	"github.com/sparkwheel/sparkwheel/wheel/wheeltest"
)

// odd are sound wheels for which installers have rules of their own.
func odd() []*wheeltest.Wheel {
	pure := func(name string, members ...string) *wheeltest.Wheel {
		return wheeltest.New(name+"-1.0-py3-none-any.whl", members...)
	}
	points := func(name, text string) *wheeltest.Wheel {
		return pure(name, name+".py", "", name+"-1.0.dist-info/entry_points.txt", text)
	}
	modes := pure("modes", "modes/plain", "1", "modes/private", "2", "modes/setuid", "3", "modes/other", "4", "modes/none", "5", "modes/dos", "6")
	for name, mode := range map[string]uint16{"private": 0o100600, "setuid": 0o104755, "other": 0o100001, "none": 0, "dos": 0o100755} {
		modes.Find("modes/" + name).Mode = mode
	}
	modes.Find("modes/dos").Central = func(h *wheeltest.Header) { h.System = 0 }

	directories := pure("directories", "directories/empty/", "", "directories/deep/er/", "", "directories-1.0.data/data/share/empty/", "",
		"directories-1.0.data/headers/", "", "directories-1.0.data/scripts/", "", "directories-1.0.data/", "", "directories-1.0.dist-info/", "")

	record := pure("record", "record/a,b.py", "1", `record/q"q.py`, "2", "record/ lead.py", "3", "record/z.py", "4", "record/Z.py", "5")
	record.Record = func(s string) string {
		s = strings.Replace(s, "record/z.py", `"record/z.py"`, 1)
		s = strings.Replace(s, ",1\n", ",\n", 1)
		return strings.ReplaceAll(s, "\n", "\r\n")
	}
	noSelf := pure("noself", "noself.py", "")
	noSelf.Record = func(s string) string { return strings.Replace(s, "noself-1.0.dist-info/RECORD,,\n", "", 1) }

	noSelf.Add("noself-1.0.dist-info/RECORD.jws", "{}").Unlisted = true

	platlib := wheeltest.New("Plat_Lib-1.0-cp38-abi3-linux_x86_64.whl", "plat/a.py", "1",
		"Plat_Lib-1.0.data/purelib/plat/b.py", "2", "Plat_Lib-1.0.data/platlib/plat/c.py", "3",
		"Plat_Lib-1.0.data/headers/sub/c.h", "4", "Plat_Lib-1.0.data/data/etc/plat.conf", "5", "Plat_Lib-1.0.data/data/bin/tool", "6")
	platlib.Find("Plat_Lib-1.0.data/data/bin/tool").Mode = 0o100755

	scripts := pure("scripts", "scripts.py", "")
	for name, content := range map[string]string{
		"arguments": "#!python -E\nprint(1)\n", "gui": "#!pythonw\nprint(1)\n", "gui-arguments": "#!pythonw -x\nprint(1)\n",
		"dos": "#!python\r\nprint(1)\r\n", "short": "#!python", "shorter": "#!pytho", "empty": "", "env": "#!/usr/bin/env python\n",
		"version": "#!python3.11\nprint(1)\n", "binary": "\x7fELF\x00\x01", "space": "#! python\n", "word": "#!pythonic thing\nx",
		"long": "#!python " + strings.Repeat("x", 100_000) + "\nprint(1)\n",
	} {
		scripts.Add("scripts-1.0.data/scripts/"+name, content)
	}
	scripts.Find("scripts-1.0.data/scripts/env").Mode = 0o100755

	shadow := points("shadow", "[console_scripts]\nshadow = shadow:main\nshown = shadow:main\n")
	for _, name := range []string{"shadow", "shadow.exe", "shadow-script.py", "shadow.pya", "shadow.sh"} {
		shadow.Add("shadow-1.0.data/scripts/"+name, "#!python\n")
	}
	zstd := pure("zstd", "zstd/a.py", strings.Repeat("zstd = 1\n", 100))
	zstd.Find("zstd/a.py").Zstd()
	return []*wheeltest.Wheel{
		zstd, modes, directories, record, noSelf, platlib, scripts, shadow,
		points("dotted", "[console_scripts]\ndotted = dotted.sub:Class.method [extra,other]\nDotted=dotted:main\n[gui_scripts]\ndotted-gui = dotted : gui\n"),
		points("comments", "# a comment\n[console_scripts]\n; another\ncomments = comments:main\n\n[other]\nfolded =\n  a\n  b\n"),
		points("crlf", "[console_scripts]\r\ncrlf = crlf:main\r\n"),
		points("spaces", "[ console_scripts ]\nwith space   =   spaces:main  \n"),
		points("twice", "[console_scripts]\ntwice = twice:first\n[gui_scripts]\n  twice-gui = twice:\n    second\n"),
		points("unicode", "[console_scripts]\nunicodé = unicodé:größe\n"),
		points("pip", "[console_scripts]\npip = pip:main\npip3 = pip:main\npip3.7 = pip:main\npip3.999 = pip:main\npip3.x = pip:main\n"),
		pure("shipped", "shipped.py", "", "shipped-1.0.dist-info/INSTALLER", "pip\n", "shipped-1.0.dist-info/REQUESTED", "x"),
		pure("compiled", "compiled/__pycache__/a.cpython-311.pyc", "x", "compiled/a.pyc", "y"),
	}
}

func TestE2EOddWheels(t *testing.T) {
	uv := uvTool(t)
	dir := t.TempDir()
	var paths []string
	for _, w := range odd() {
		paths = append(paths, w.Write(t, dir))
	}
	tree, err := install.Tree(debian(pythonVersion(t, "/usr/bin/python3")), openAll(t, paths)...)
	if err != nil {
		t.Fatal(err)
	}
	compare(t, systemInstall(t, uv, paths), tree, "usr", nil)
}

package main

import (
	"io/fs"
	"os"
	"path/filepath"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sparkwheel/sparkwheel/wheel/wheeltest"
)

// makeWheel is the script command `mkwheel FILE.whl DIR`: it packs the files
// below DIR, and METADATA, WHEEL and RECORD where DIR has none.
func makeWheel(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: mkwheel FILE.whl DIR")
	}
	var members []string
	root := os.DirFS(ts.MkAbs(args[1]))
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := fs.ReadFile(root, name)
		members = append(members, name, string(content))
		return err
	})
	ts.Check(err)
	path := ts.MkAbs(args[0])
	ts.Check(os.WriteFile(path, wheeltest.New(filepath.Base(path), members...).Pack(), 0o644))
}

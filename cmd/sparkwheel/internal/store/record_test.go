package store

import (
	"encoding/json"
	"io/fs"
	"path"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// valid is a record with one of everything.
const valid = `{"format":2,"kind":"stage","key":"k","salt":"wheel vllm","fields":[{"name":"tree","value":"t"}],` +
	`"made":"2026-11-23T12:00:00Z","seconds":1.5,"size":5,"files":[` +
	`{"path":"dist","type":"dir"},{"path":"dist/a.whl","type":"file","size":5,"sha256":"` + sha + `","stamp":"1.2.3"},` +
	`{"path":"latest","type":"link","target":"dist/a.whl"},{"path":"run","type":"exec","sha256":"` + sha + `"}]}`

const sha = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// bad are records that a damaged disk or a bad neighbour may leave.
var bad = map[string]string{
	"":                        ``,
	"not JSON":                `entry`,
	"cut":                     valid[:len(valid)/2],
	"something after it":      valid + `{}`,
	"another format":          strings.Replace(valid, `"format":2`, `"format":1`, 1),
	"unknown key":             strings.Replace(valid, `"format":2`, `"format":2,"x":1`, 1),
	"leaves the entry":        strings.Replace(valid, `"path":"run"`, `"path":"../run"`, 1),
	"leaves it in the middle": strings.Replace(valid, `"path":"dist/a.whl"`, `"path":"dist/../../a"`, 1),
	"absolute":                strings.Replace(valid, `"path":"run"`, `"path":"/bin/sh"`, 1),
	"a NUL":                   strings.Replace(valid, `"path":"run"`, `"path":"r\u0000n"`, 1),
	"the entry itself":        strings.Replace(valid, `"path":"run"`, `"path":"."`, 1),
	"below a link":            strings.Replace(valid, `"path":"run"`, `"path":"latest/run"`, 1),
	"below nothing":           strings.Replace(valid, `"path":"run"`, `"path":"bin/run"`, 1),
	"twice":                   strings.Replace(valid, `"path":"run"`, `"path":"latest"`, 1),
	"unknown type":            strings.Replace(valid, `"type":"exec"`, `"type":"device"`, 1),
	"file without digest":     strings.Replace(valid, `,"sha256":"`+sha+`"}]`, `}]`, 1),
	"digest with a prefix":    strings.Replace(valid, `"exec","sha256":"`, `"exec","sha256":"sha256:`, 1),
	"negative size":           strings.Replace(valid, `"file","size":5`, `"file","size":-5`, 1),
	"link without target":     strings.Replace(valid, `,"target":"dist/a.whl"`, ``, 1),
	"a device of a stage":     strings.Replace(valid, `"type":"dir"`, `"type":"other"`, 1),
}

func TestParseRecord(t *testing.T) {
	t.Parallel()
	rec, err := parseRecord([]byte(valid))
	if err != nil || rec.Salt != "wheel vllm" || len(rec.Files) != 4 {
		t.Errorf("parseRecord(valid) = %+v, %v", rec, err)
	}
	for name, text := range bad {
		if rec, err := parseRecord([]byte(text)); err == nil {
			t.Errorf("%s: parsed as %+v", name, rec)
		}
	}
}

// FuzzParseRecord holds that whatever is parsed stays in its entry and can be
// written and parsed again.
func FuzzParseRecord(f *testing.F) {
	f.Add([]byte(valid))
	for _, text := range bad {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		rec, err := parseRecord(text)
		if err != nil {
			return
		}
		kinds := map[string]string{".": "dir"}
		for _, file := range rec.Files {
			if !fs.ValidPath(file.Path) || kinds[path.Dir(file.Path)] != "dir" || kinds[file.Path] != "" {
				t.Errorf("%q was taken", file.Path)
			}
			kinds[file.Path] = file.Type
		}
		again, err := json.Marshal(rec)
		if err != nil {
			t.Fatal(err)
		}
		rec2, err := parseRecord(again)
		if err != nil {
			t.Fatalf("%v: %s", err, again)
		}
		if diff := cmp.Diff(rec, rec2, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("written and read again (-want +got):\n%s", diff)
		}
	})
}

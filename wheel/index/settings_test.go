package index_test

import (
	"strings"
	"testing"

	"github.com/sparkwheel/sparkwheel/wheel/index"
)

func TestSettings(t *testing.T) {
	t.Parallel()
	conf := func(files ...string) []index.ConfFile {
		var all []index.ConfFile
		for i, f := range files {
			all = append(all, index.ConfFile{Name: string(rune('a' + i)), Data: []byte(f)})
		}
		return all
	}
	tests := map[string]struct {
		in        index.Settings
		url, from string
	}{
		"nothing":           {index.Settings{}, index.Default, "default"},
		"uv first":          {index.Settings{UVDefaultIndex: "https://a.test/simple", UVIndexURL: "https://b.test", PIPIndexURL: "https://c.test"}, "https://a.test/simple", "UV_DEFAULT_INDEX"},
		"uv with a name":    {index.Settings{UVDefaultIndex: "my-index=https://u:p@a.test/simple?x=y"}, "https://u:p@a.test/simple?x=y", "UV_DEFAULT_INDEX"},
		"old uv":            {index.Settings{UVIndexURL: " https://b.test ", PIPIndexURL: "https://c.test"}, "https://b.test", "UV_INDEX_URL"},
		"pip":               {index.Settings{PIPIndexURL: "https://c.test", PipConf: conf("[global]\nindex-url=https://d.test")}, "https://c.test", "PIP_INDEX_URL"},
		"later file wins":   {index.Settings{PipConf: conf("[global]\nindex-url = https://a.test", "[global]\r\nIndex_URL: https://b.test\r\n", "[global]\ntimeout = 4")}, "https://b.test", "b"},
		"install wins":      {index.Settings{PipConf: conf("[install]\nindex-url = https://a.test", "[global]\nindex-url = https://b.test")}, "https://a.test", "a"},
		"other section":     {index.Settings{PipConf: conf("[list]\nindex-url = https://a.test")}, index.Default, "default"},
		"comments":          {index.Settings{PipConf: conf("# x\n[global]\n; index-url = https://a.test\n#index-url = https://b.test\nextra-index-url = https://c.test")}, index.Default, "default"},
		"on the next line":  {index.Settings{PipConf: conf("[global]\nindex-url =\n    https://a.test/simple\n")}, "https://a.test/simple", "a"},
		"empty counts none": {index.Settings{PipConf: conf("[global]\nindex-url =\n")}, index.Default, "default"},
		"twice":             {index.Settings{PipConf: conf("[global]\nindex-url = https://a.test\nindex-url = https://b.test")}, "https://b.test", "a"},
		"percent":           {index.Settings{PipConf: conf("\ufeff[global]\nindex-url = https://u:p%40w@a.test/%(x)s")}, "", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, from, err := tt.in.Index()
			if tt.url == "" {
				if err == nil {
					t.Errorf("Index() = %q, want an error", url)
				} else if strings.Contains(err.Error(), "p%40w") {
					t.Errorf("error %q tells the password", err)
				}
				return
			}
			if err != nil || url != tt.url || from != tt.from {
				t.Errorf("Index() = %q, %q, %v, want %q, %q", url, from, err, tt.url, tt.from)
			}
		})
	}
}

func TestSettingsRefuse(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"file:///srv/simple", "ftp://me:secret@a.test", "https://", "://me:secret@", "https://me:secret@a b.test/", "secret@"} {
		_, from, err := index.Settings{PIPIndexURL: url}.Index()
		if err == nil {
			t.Errorf("%q is taken for an index", url)
			continue
		}
		if from != "PIP_INDEX_URL" || !strings.HasPrefix(err.Error(), "PIP_INDEX_URL: ") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: from %q: %v", url, from, err)
		}
	}
}

func TestRedact(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"https://me:secret@a.test/x?token=secret#secret": "https://a.test/x",
		"https://a.test/x":                 "https://a.test/x",
		"https://me:sec%ret@a.test":        "a.test",
		"me:secret@a.test:x":               "a.test:x",
		"http://secret@a.test":             "http://a.test",
		"https://me:sec ret@a.test/simple": "a.test/simple",
	} {
		if got := index.Redact(in); got != want {
			t.Errorf("Redact(%q) = %q, want %q", in, got, want)
		}
	}
}

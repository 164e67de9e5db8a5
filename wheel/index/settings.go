package index

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/sparkwheel/sparkwheel/wheel/internal/ini"
)

// Settings are the values of a user's environment and the files of pip's
// configuration that say which index is asked. Who fills it reads the
// environment and the disk; Settings only judges.
type Settings struct {
	UVDefaultIndex string     // UV_DEFAULT_INDEX: a URL, or NAME=URL
	UVIndexURL     string     // UV_INDEX_URL
	PIPIndexURL    string     // PIP_INDEX_URL
	PipConf        []ConfFile // in the order in which pip reads them: later ones win
}

// ConfFile is one pip.conf.
type ConfFile struct {
	Name string
	Data []byte
}

// PipConfPaths says where pip looks for its configuration on Linux, in the
// order in which it reads: of the machine, of the user, of PIP_CONFIG_FILE.
// Paths are given by the values of HOME, XDG_CONFIG_HOME and PIP_CONFIG_FILE;
// a file that does not exist counts as empty. PIP_CONFIG_FILE=/dev/null means
// none at all.
func PipConfPaths(home, xdgConfigHome, pipConfigFile string) []string {
	if pipConfigFile == "/dev/null" {
		return nil
	}
	paths := []string{"/etc/xdg/pip/pip.conf", "/etc/pip.conf"}
	if home != "" {
		paths = append(paths, home+"/.pip/pip.conf")
	}
	switch {
	case xdgConfigHome != "":
		paths = append(paths, xdgConfigHome+"/pip/pip.conf")
	case home != "":
		paths = append(paths, home+"/.config/pip/pip.conf")
	}
	if pipConfigFile != "" {
		paths = append(paths, pipConfigFile)
	}
	return paths
}

var namedIndex = regexp.MustCompile(`^[A-Za-z0-9._-]+=`)

// Index returns the URL of the index to ask, credentials included, and where
// it was said, for messages: the first of UV_DEFAULT_INDEX, UV_INDEX_URL,
// PIP_INDEX_URL, index-url of pip's configuration, and Default. A URL that is
// none is an error that names its place and not its credentials.
func (s Settings) Index() (url, from string, err error) {
	url, from = s.choose()
	if url == "" {
		return Default, "default", nil
	}
	if _, err := parseIndexURL(url); err != nil {
		return "", from, fmt.Errorf("%s: %w", from, err)
	}
	return url, from, nil
}

func (s Settings) choose() (url, from string) {
	if v := strings.TrimSpace(s.UVDefaultIndex); v != "" {
		return v[len(namedIndex.FindString(v)):], "UV_DEFAULT_INDEX"
	}
	if v := strings.TrimSpace(s.UVIndexURL); v != "" {
		return v, "UV_INDEX_URL"
	}
	if v := strings.TrimSpace(s.PIPIndexURL); v != "" {
		return v, "PIP_INDEX_URL"
	}
	// pip merges its files first, key by key; then what is said for
	// `pip install` wins over what is said for all commands.
	var urls, names [2]string
	for _, file := range s.PipConf {
		for i, section := range []string{"install", "global"} {
			if v := pipValue(file.Data, section, "index-url"); v != "" {
				urls[i], names[i] = v, file.Name
			}
		}
	}
	for i := range urls {
		if urls[i] != "" {
			return urls[i], names[i]
		}
	}
	return "", ""
}

// pipValue reads one key of one section as Python's RawConfigParser does: keys
// without regard to case, "=" or ":" between key and value. Of a file that pip
// would refuse, what can be read counts, and the last of two values.
func pipValue(src []byte, section, key string) (value string) {
	options, _ := ini.Parse(strings.TrimPrefix(string(src), "\ufeff"), "=:")
	for _, o := range options {
		if o.Section == section && strings.ReplaceAll(strings.ToLower(o.Key), "_", "-") == key {
			value = o.Value
		}
	}
	return value
}

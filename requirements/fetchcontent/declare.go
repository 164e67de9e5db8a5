package fetchcontent

import (
	"slices"
	"strings"

	"github.com/sparkwheel/sparkwheel/requirements/cmake"
)

// keywords begin the options of FetchContent_Declare and ExternalProject_Add.
var keywords = fields(`QUIET SYSTEM EXCLUDE_FROM_ALL OVERRIDE_FIND_PACKAGE FIND_PACKAGE_ARGS
		DEPENDS PREFIX TMP_DIR STAMP_DIR LOG_DIR DOWNLOAD_DIR SOURCE_DIR BINARY_DIR INSTALL_DIR SUBBUILD_DIR SOURCE_SUBDIR
		DOWNLOAD_COMMAND DOWNLOAD_NAME DOWNLOAD_EXTRACT_TIMESTAMP DOWNLOAD_NO_EXTRACT DOWNLOAD_NO_PROGRESS
		URL URL_HASH URL_MD5 TIMEOUT INACTIVITY_TIMEOUT HTTP_USERNAME HTTP_PASSWORD HTTP_HEADER
		TLS_VERSION TLS_VERIFY TLS_CAINFO NETRC NETRC_FILE
		GIT_REPOSITORY GIT_TAG GIT_REMOTE_NAME GIT_SUBMODULES GIT_SUBMODULES_RECURSE GIT_SHALLOW GIT_PROGRESS GIT_CONFIG GIT_REMOTE_UPDATE_STRATEGY
		SVN_REPOSITORY SVN_REVISION SVN_USERNAME SVN_PASSWORD SVN_TRUST_CERT HG_REPOSITORY HG_TAG CVS_REPOSITORY CVS_MODULE CVS_TAG
		UPDATE_COMMAND UPDATE_DISCONNECTED PATCH_COMMAND CONFIGURE_COMMAND CMAKE_COMMAND CMAKE_GENERATOR CMAKE_GENERATOR_PLATFORM
		CMAKE_GENERATOR_TOOLSET CMAKE_GENERATOR_INSTANCE CMAKE_ARGS CMAKE_CACHE_ARGS CMAKE_CACHE_DEFAULT_ARGS CONFIGURE_HANDLED_BY_BUILD
		BUILD_COMMAND BUILD_IN_SOURCE BUILD_ALWAYS BUILD_BYPRODUCTS BUILD_JOB_SERVER_AWARE INSTALL_COMMAND INSTALL_BYPRODUCTS TEST_COMMAND
		TEST_BEFORE_INSTALL TEST_AFTER_INSTALL TEST_EXCLUDE_FROM_MAIN LOG_DOWNLOAD LOG_UPDATE LOG_PATCH LOG_CONFIGURE LOG_BUILD LOG_INSTALL
		LOG_TEST LOG_MERGED_STDOUTERR LOG_OUTPUT_ON_FAILURE USES_TERMINAL_DOWNLOAD USES_TERMINAL_UPDATE USES_TERMINAL_PATCH
		USES_TERMINAL_CONFIGURE USES_TERMINAL_BUILD USES_TERMINAL_INSTALL USES_TERMINAL_TEST EXCLUDE_FROM_MAIN STEP_TARGETS
		INDEPENDENT_STEP_TARGETS LIST_SEPARATOR COMMAND`)

// options are the details of a call by their keywords.
func options(args []word) map[string][]word {
	all := map[string][]word{}
	key := ""
	for _, a := range args {
		if a.doubt == nil && keywords[a.text] {
			key = a.text
			all[key] = []word{}
			continue
		}
		all[key] = append(all[key], a)
	}
	return all
}

// declare keeps what a call asks for, with what is not known of it.
func (r *reader) declare(way Way, args []word) {
	if len(args) == 0 {
		return
	}
	opts := options(args[1:])
	c := Content{Way: way, At: r.at, When: slices.Concat(r.returning, r.when), Submodules: []string{"*"}}
	take := func(key string) string {
		words := opts[key]
		if len(words) == 0 {
			return ""
		}
		if d := words[0].doubt; d != nil {
			c.Open = append(c.Open, Open{key, words[0].written, d.variable, d.reason})
			return ""
		}
		return words[0].text
	}
	if d := args[0].doubt; d != nil {
		c.Open = append(c.Open, Open{"the name", args[0].written, d.variable, d.reason})
	} else {
		c.Name = args[0].text
	}
	c.URL, c.Archive, c.Tag = take("GIT_REPOSITORY"), take("URL"), take("GIT_TAG")
	for _, key := range []string{"SVN_REPOSITORY", "HG_REPOSITORY", "CVS_REPOSITORY"} {
		if c.Archive == "" {
			c.Archive = take(key)
		}
	}
	if _, ok := opts["GIT_TAG"]; !ok {
		c.Tag = "master" // ExternalProject's default
	}
	// CMake's documents let a branch be named as its remote has it.
	c.Tag = strings.TrimPrefix(c.Tag, "origin/")
	if sub, ok := opts["GIT_SUBMODULES"]; ok {
		c.Submodules = []string{}
		for i := range sub {
			if sub[i].doubt != nil {
				take("GIT_SUBMODULES")
			} else if sub[i].text != "" {
				c.Submodules = append(c.Submodules, sub[i].text)
			}
		}
	}
	patch := opts["PATCH_COMMAND"]
	c.Patched = len(patch) > 0 && !patch[0].is("")
	if len(r.found) < maxSteps {
		r.found = append(r.found, c)
	}
}

// fetches tells content that is brought from elsewhere from a local directory.
func (c Content) fetches() bool {
	return c.URL != "" || c.Archive != "" || slices.ContainsFunc(c.Open, func(o Open) bool {
		return o.Option == "GIT_REPOSITORY" || o.Option == "URL"
	})
}

// gather applies CMake's rule that the first declaration of a name counts.
func (r *reader) gather() []Content {
	var all []Content
	at := map[string]int{}
	for _, c := range r.found {
		if c.Variable = r.local[c.Key()]; c.Variable != "" {
			c.FromEnvironment = r.asked[c.Variable]
		}
		key := c.Key()
		if c.Way != Declared {
			key = c.At.String() + key
		}
		i, again := at[key]
		switch {
		case c.Name != "" && again:
			if first := &all[i]; len(first.When) > 0 && c.fetches() && !first.agrees(c) {
				first.Rivals = append(first.Rivals, c)
			}
		case c.fetches() || len(c.When) == 0:
			at[key] = len(all)
			all = append(all, c)
		}
	}
	return slices.DeleteFunc(all, func(c Content) bool { return !c.fetches() })
}

func (c Content) agrees(d Content) bool {
	return c.URL == d.URL && c.Tag == d.Tag && c.Archive == d.Archive && slices.Equal(c.Submodules, d.Submodules) && len(c.Open)+len(d.Open) == 0
}

// scan finds in a file, whether its commands are run or not, the variables by
// which a local copy can be given:
//
//	FetchContent_Declare(NAME ... SOURCE_DIR ${VARIABLE} ...)
//	set(NAME_SOURCE_DIR ${VARIABLE})
//
// and those that are looked for in the environment.
func (r *reader) scan(commands []cmake.Command) {
	for _, c := range commands {
		name := strings.ToLower(c.Name)
		for i, a := range c.Args {
			if i > 0 && c.Args[i-1].Text == "DEFINED" && strings.HasPrefix(a.Text, "ENV{") {
				r.asked[strings.TrimSuffix(a.Text[len("ENV{"):], "}")] = true
			}
			ref := lastReference(a)
			if ref.Kind == "ENV" {
				r.asked[ref.Name] = true
			}
			if ref.Name == "" || i == 0 {
				continue
			}
			content := ""
			switch {
			case (name == "fetchcontent_declare" || name == "externalproject_add") && c.Args[i-1].Text == "SOURCE_DIR":
				content = c.Args[0].Text
			case name == "set" && i == 1 && len(c.Args) == 2:
				content, _ = strings.CutSuffix(c.Args[0].Text, "_SOURCE_DIR")
				if content == c.Args[0].Text {
					continue
				}
			default:
				continue
			}
			if key := strings.ToLower(content); r.local[key] == "" {
				r.local[key] = ref.Name
			}
		}
	}
}

// lastReference is the reference that an argument consists of.
func lastReference(a cmake.Arg) cmake.Reference {
	var last cmake.Reference
	rest, err := cmake.Expand(a, func(ref cmake.Reference) string { last = ref; return "" })
	if err != nil || rest != "" {
		return cmake.Reference{}
	}
	return last
}

package host

import (
	"maps"
	"net/url"
	"strings"

	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/git"
	"github.com/sparkwheel/sparkwheel/requirements"
)

// With is the same host, whose index client asks the recipe's further indexes
// for what they are for, at their mirrors and with the user's passwords.
func (e Env) With(r *recipe.Recipe) Env {
	if len(r.Indexes) == 0 {
		return e
	}
	client := *e.Index
	client.Extra = maps.Clone(client.Extra)
	if client.Extra == nil {
		client.Extra = map[string]string{}
	}
	for _, x := range r.Indexes {
		address, _ := git.Rewritten(x.URL, e.Mirrors.Rewrites)
		if user, password, ok := e.Password(x.Name); ok {
			if u, err := url.Parse(address); err == nil {
				u.User = url.UserPassword(user, password)
				address = u.String()
			}
		}
		for _, d := range x.Distributions {
			client.Extra[string(requirements.Normalize(d))] = address
		}
	}
	e.Index = &client
	return e
}

// Password is the user's password for a recipe's index by its name; ok is false
// where there is none.
func (e Env) Password(name string) (user, password string, ok bool) {
	if e.IndexPassword == nil {
		return "", "", false
	}
	return e.IndexPassword(name)
}

// Official undoes --mirror in an answer: the lock names what the recipe names.
func (e Env) Official(text []byte) []byte {
	out := string(text)
	for _, m := range e.Mirrors.Rewrites {
		out = strings.ReplaceAll(out, `"`+m.Base, `"`+m.Prefix)
	}
	return []byte(out)
}

package image

import (
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/base"
	"github.com/sparkwheel/sparkwheel/cmd/sparkwheel/internal/recipe"
	"github.com/sparkwheel/sparkwheel/requirements"
	"github.com/sparkwheel/sparkwheel/wheel/install"
)

// over are the recipe's settlements as the wheel room takes them.
func over(r *recipe.Recipe) []install.Over {
	var out []install.Over
	for _, o := range r.Image.Over {
		out = append(out, install.Over{Winner: requirements.Normalize(o.Winner), Loser: requirements.Normalize(o.Loser)})
	}
	return out
}

// scheme is how wheels that were built here are installed on a base.
func scheme(b *base.Base, r *recipe.Recipe) install.Scheme {
	s := b.Python.Scheme
	s.Over = over(r)
	return s
}

// indexScheme is how wheels of an index are installed: they came by name.
func indexScheme(b *base.Base, r *recipe.Recipe) install.Scheme {
	s := scheme(b, r)
	s.URL = ""
	return s
}

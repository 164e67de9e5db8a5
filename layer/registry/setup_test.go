package registry_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/sparkwheel/sparkwheel/layer/registry/registrytest"
)

type (
	rule   = registrytest.Rule
	faults = registrytest.Faults
)

var (
	serve        = registrytest.Serve
	inProcess    = registrytest.InProcess
	distribution = registrytest.Distribution
	strict       = registrytest.InMemory
	newStrict    = registrytest.NewStrict
	before       = registrytest.Before
	image        = registrytest.Image
	tag          = registrytest.Tag
	status       = registrytest.Status
	blob         = registrytest.Blob
)

const (
	layerSize = 5 << 18
	chunkSize = 1 << 18
)

func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

func large(r *http.Request) bool { return r.Method == http.MethodPatch && r.ContentLength >= chunkSize }

func manifestGet(r *http.Request) bool {
	return r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/manifests/")
}

func imageBytes(t *testing.T, img v1.Image) int64 {
	t.Helper()
	m, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := img.RawManifest()
	if err != nil {
		t.Fatal(err)
	}
	n := m.Config.Size + 2*int64(len(raw))
	for _, l := range m.Layers {
		n += l.Size
	}
	return n
}

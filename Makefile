# What each target may need stands in README, "Working on sparkwheel".
export CGO_ENABLED ?= 0
GO ?= go
GOLANGCI = github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
GREMLINS = github.com/go-gremlins/gremlins/cmd/gremlins@v0.6.0
FUZZTIME ?= 30s

PREFIX ?= /usr/local

.PHONY: build install test demo bench bench-real fuzz mutate lint e2e e2e-real clean

build:
	$(GO) build -trimpath -o bin/sparkwheel ./cmd/sparkwheel

# With the AppArmor profile that lets an ordinary user's builds make namespaces
# on Ubuntu 24.04. Packagers set DESTDIR; then no profile is loaded.
install:
	install -D -m 0755 bin/sparkwheel $(DESTDIR)$(PREFIX)/bin/sparkwheel
	@if [ -e $(DESTDIR)/etc/apparmor.d/abi/4.0 ]; then \
	  sed 's|@PROGRAM@|$(PREFIX)/bin/sparkwheel|' wheel/sandbox/apparmor.profile > $(DESTDIR)/etc/apparmor.d/sparkwheel; \
	  if [ -z "$(DESTDIR)" ]; then apparmor_parser -r /etc/apparmor.d/sparkwheel; fi; \
	fi

test:
	CGO_ENABLED=1 $(GO) test -race ./...

demo: build
	$(GO) build -trimpath -o bin/demo ./cmd/demo
	./bin/demo -sparkwheel bin/sparkwheel

e2e:
	SPARKWHEEL_E2E=1 $(GO) test -count=1 -timeout 30m -run 'E2E|TestScript/source_ssh' ./...

e2e-real:
	SPARKWHEEL_E2E=1 SPARKWHEEL_E2E_REAL=1 $(GO) test -count=1 -timeout 10h -run 'TestReal' ./...

bench:
	$(GO) test -run '^$$' -bench . -benchmem ./...

bench-real:
	SPARKWHEEL_E2E_REAL=1 $(GO) test -run '^$$' -bench Real -benchtime 1x -timeout 10h ./...

# Every fuzz target in turn, each for FUZZTIME, most of which minimizing would take.
fuzz:
	@set -e; for p in $$($(GO) list ./...); do \
	  for f in $$($(GO) test -list '^Fuzz' $$p | grep '^Fuzz' || true); do \
	    echo "== $$p $$f"; $(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $$p; \
	  done; done

# Breaks the code of one package in one place after the other and says which
# breaks its tests did not notice: make mutate PKG=wheel FILES="record.go header.go"
# RUN=Record (all files and tests unless named). WORKERS mutants are tried at once;
# a mutant whose tests take TIMES times as long as they should has timed out.
PKG ?= requirements/version
FILES ?= $(notdir $(filter-out %_test.go,$(wildcard $(PKG)/*.go)))
WORKERS ?= 2
TIMES ?= 10
mutate:
	GOBIN=$(CURDIR)/bin $(GO) install $(GREMLINS) # go run would put its own go before testdata/mutate's
	MUTATE_GO="$$(command -v $(GO))" MUTATE_RUN='$(RUN)' GOFLAGS='-trimpath -vet=off -ldflags=-w' PATH="$(CURDIR)/testdata/mutate:$$PATH" \
	bin/gremlins unleash --workers $(WORKERS) --timeout-coefficient $(TIMES) -E / \
	  $(foreach f,$(filter-out $(FILES),$(notdir $(wildcard $(PKG)/*.go))),-E '^$(f)$$') ./$(PKG)

# By its module, built at the first call; .golangci.yml says what it asks.
lint:
	$(GO) run $(GOLANGCI) run --timeout 30m ./...
	@files=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$files" || { echo "gofmt would change:"; echo "$$files"; exit 1; }

clean:
	rm -rf bin out demo

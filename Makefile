# What each target may need: see README, Working on sparkwheel.
export CGO_ENABLED ?= 0
GO ?= go
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
FUZZTIME ?= 30s

.PHONY: build test demo bench fuzz lint e2e e2e-real clean
build:
	$(GO) build -trimpath -o bin/sparkwheel ./cmd/sparkwheel

test:
	CGO_ENABLED=1 $(GO) test -race ./...

lint:
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); exit 1; }

clean:
	rm -rf bin out demo

# Everything that a developer does with Duly. `make` lists it.

SHELL       := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS   += --no-print-directory

GO_NEEDED   := 1.26
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
DATA        ?= ./data
LISTEN      ?= 127.0.0.1:8080
FUZZTIME    ?= 10s
PKG         ?= ./...
TIMEOUT     ?= 30m

VERSION     := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT      := $(shell git rev-parse --verify --quiet --short=12 HEAD 2>/dev/null || echo unknown)
LDFLAGS     := -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)

.PHONY: help run build test check bench profile fuzz generate clean go
.DEFAULT_GOAL := help

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

run: build ## build and run the server for development on LISTEN, with its data in DATA
	@exec bin/duly serve --dev --data $(DATA) --listen $(LISTEN)

build: go ## build bin/duly, a static binary
	CGO_ENABLED=0 go build -trimpath -buildvcs=false -pgo cmd/duly/load.pgo -ldflags '$(LDFLAGS)' -o bin/duly ./cmd/duly

# SQLite is C in Go, whose pointers the race detector would check at every use: the
# tests would take four times as long.
UNCHECKED = -gcflags=modernc.org/...=-d=checkptr=0 -gcflags=zombiezen.com/...=-d=checkptr=0

# The checks and the tests all run, and the line of totals comes last, whatever
# has failed. The race detector needs cgo, which needs a C compiler. The walks of
# all routes by all tokens are whole without it alone, and there is what runs
# on PostgreSQL 18 and on split tables.
test: go ## check the code and run all tests (PKG=./internal/todo: those of one package)
	@status=0; race="-race $(UNCHECKED)"; cgo=1; cc=$$(go env CC); \
	$(MAKE) check || status=1; \
	.ci/postgres || status=1; \
	if ! command -v "$${cc%% *}" >/dev/null; then \
		echo "There is no C compiler ($$cc): the tests run without the race detector. Install gcc for it."; \
		race=; cgo=0; \
	fi; \
	{ walks=0; CGO_ENABLED=$$cgo go test -json -timeout $(TIMEOUT) $$race $(TESTFLAGS) $(PKG) || walks=1; \
		if [ -n "$$race" ] && [ '$(PKG)' = ./... ]; then \
			CGO_ENABLED=0 go test -json -timeout $(TIMEOUT) -run '^(TestEveryRoute|TestPostgres18|TestSplit)' ./internal/graph || walks=1; \
			CGO_ENABLED=0 go test -json -timeout $(TIMEOUT) -run '/^(postgres18|split)$$' ./internal/store || walks=1; \
		fi; \
		exit $$walks; } | awk -f .ci/summary.awk || status=1; \
	exit $$status

check: go ## look for mistakes without running anything: gofmt, go vet, staticcheck
	@status=0; \
	unformatted=$$(find . -name '*.go' -not -path './node_modules/*' -exec gofmt -l {} +) || status=1; \
	if [ -n "$$unformatted" ]; then \
		printf 'These files need gofmt -w:\n%s\n' "$$unformatted"; status=1; \
	fi; \
	go vet ./... || status=1; \
	go run $(STATICCHECK) ./... || status=1; \
	if [ $$status = 0 ]; then echo "gofmt, go vet and staticcheck are clean."; fi; \
	exit $$status

bench: build ## measure bin/duly beside its targets (BENCHFLAGS=-growth: from 1e4 to 1e6 tasks), then run all benchmarks
	go run ./internal/perf $(BENCHFLAGS)
	go test -run '^$$' -bench . -benchmem $(PKG)

# Its name is not default.pgo, with which the tests would compile everything twice.
profile: build ## measure again what the compiler optimises bin/duly for, and write cmd/duly/load.pgo
	@dir=$$(mktemp -d); trap 'rm -rf "$$dir"' EXIT; \
	go run ./internal/perf -rounds 1 -each 10s -profile "$$dir"; \
	go tool pprof -proto bin/duly "$$dir"/*.pprof >cmd/duly/load.pgo

fuzz: go ## run every fuzz target for FUZZTIME (10s)
	@for package in $$(go list $(PKG)); do \
		for target in $$(go test -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
			echo "$$package $$target"; \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$package; \
		done; \
	done

# The folder of the same name is no reason to do nothing.
.PHONY: compat
compat: build ## test with Microsoft's clients for Go and JavaScript (needs Node and Chromium; takes minutes the first time)
	@DULY_BIN=$(CURDIR)/bin/duly compat/run

generate: go ## write the generated files again
	go generate ./...

clean: ## remove what was built; the data stays
	rm -rf bin dist

go:
	@if ! command -v go >/dev/null; then \
		echo "Go is missing. Install Go $(GO_NEEDED) or newer from https://go.dev/dl and put it on PATH." >&2; \
		exit 1; \
	fi; \
	found=$$(go version 2>&1 || true); \
	if [[ ! $$found =~ go([0-9]+)\.([0-9]+) ]] || (( BASH_REMATCH[1] * 1000 + BASH_REMATCH[2] < $(subst .,*1000+,$(GO_NEEDED)) )); then \
		echo "Duly needs Go $(GO_NEEDED) or newer, and this is: $$found. Install it from https://go.dev/dl." >&2; \
		exit 1; \
	fi

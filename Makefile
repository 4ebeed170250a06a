# Fengsui. `make demo` shows it, `make test` proves it.
SHELL   := /bin/bash
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT  ?= $(shell git rev-parse --short HEAD 2>/dev/null || echo none)
LDFLAGS := -s -w -X fengsui/internal/app.Version=$(VERSION) -X fengsui/internal/app.Commit=$(COMMIT)
WEB_SRC := $(shell git ls-files web 2>/dev/null | grep -v '^web/dist/')
LINT    := $(shell go env GOPATH)/bin/golangci-lint
LINT_VERSION := v2.15.0
FUZZ_TIME ?= 10m
FUZZ_JOBS ?= 1

.PHONY: all build web demo test race e2e fuzz lint bench soak docs clean require tools

all: build

require:
	@scripts/require.sh go gcc

# The console: built when Node is there, else the placeholder page stays.
web: web/dist/index.html
web/dist/index.html: $(WEB_SRC)
	@if scripts/require.sh node; then cd web && npm ci --no-audit --no-fund --loglevel=error && npm run build; \
	else echo "the console is not built: the binary will serve a placeholder page that says so"; fi

build: require web
	@mkdir -p bin
	go build -trimpath -ldflags '$(LDFLAGS)' -o bin/fengsui ./cmd/fengsui

demo: build
	bin/fengsui demo

tools:
	@scripts/test-tools.sh
	@scripts/bench-tools.sh

# Everything: units, the real binary beside sipp, ffmpeg and Chromium, and the console's own tests.
test: require tools
	@scripts/require.sh node
	$(MAKE) build
	go vet ./...
	go test -timeout 15m ./...
	cd web && npm test --silent

race: require
	go test -race -timeout 20m $$(go list ./... | grep -v -e /test/e2e -e /test/bench -e /test/soak)

e2e: require tools build
	go test -count=1 -timeout 15m -v ./test/e2e/...

# Each target FUZZ_TIME, FUZZ_JOBS of them at a time: with the defaults hours.
fuzz: require
	go run ./test/fuzz -time $(FUZZ_TIME) -jobs $(FUZZ_JOBS) -write docs/benchmarks.md

$(LINT):
	go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_VERSION)
lint: require $(LINT)
	$(LINT) run ./...

# About fifty minutes on two CPUs that have nothing else to do.
bench: require build
	@scripts/bench-tools.sh
	go run ./test/bench -binary bin/fengsui -write docs/benchmarks.md

# Two hours: millions of messages, and an hour of garbage.
soak: require build
	go run ./test/soak -binary bin/fengsui -write docs/benchmarks.md

# Regenerates the pages that come from the code.
docs:
	go test ./internal/api -run OpenAPI -update
	go test ./internal/api/fault -update
	go test ./test/conformance -update
	go test ./test/quirks -update

clean:
	rm -rf bin web/node_modules
	find web/dist -mindepth 1 ! -name placeholder.html -delete

# berth's Makefile. "make help" lists the targets; the plain ones need Go, a C
# compiler and make, "make setup" installs what the tests need besides.

GO      ?= go
PREFIX  ?= /usr/local
DESTDIR ?=
OUT     := .build
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)

# One static binary. With musl the executor's start costs a fifth of what static
# glibc costs (ADR on the C library), so musl-gcc is taken where it is installed.
# It has no kernel headers of its own: -idirafter finds the system's after musl's.
MUSL := $(shell command -v musl-gcc 2>/dev/null)
export CGO_ENABLED := 1
export CC := $(if $(MUSL),musl-gcc,gcc)
export CGO_CFLAGS := -O2 $(if $(MUSL),-idirafter /usr/include -idirafter /usr/include/$(shell gcc -print-multiarch 2>/dev/null))

# netgo and osusergo: no resolver or user database of a C library in a static
# binary. urfave_cli_no_docs: leaves out a Markdown library that costs start-up.
# nethttpomithttp2: registries speak HTTP/1.1, and HTTP/2 costs start-up, too.
TAGS    := netgo,osusergo,urfave_cli_no_docs,nethttpomithttp2,embedbox
LDFLAGS := -s -w -linkmode external -extldflags "-static" -X main.version=$(VERSION)
# No path and no time of this machine ends up in the binary, so two builds of a
# commit are equal byte for byte.
GOFLAGS_ALL := -trimpath -buildvcs=false -tags $(TAGS)
GOBUILD := $(GO) build $(GOFLAGS_ALL) -ldflags '$(LDFLAGS)'
GOTEST  := $(GO) test $(GOFLAGS_ALL)

BOX         := image/box.tar
BOX_ARM64   := $(OUT)/arm64/box.tar
BOX_SOURCES := $(shell find box -type f 2>/dev/null)
LINTER      := $(OUT)/bin/golangci-lint
# These compare the whole machine's mount table for minutes: nothing beside them.
ALONE        = berth/tests/callers berth/tests/conformance
PACKAGES     = $(shell $(GO) list -tags $(TAGS) ./...)

# The lines "target: ## text" below are what help prints.
.DEFAULT_GOAL := build
.PHONY: build demo setup test test-unit test-root test-vm test-vm-short test-soak fuzz \
	vet lint bench man install build-arm64 clean help

$(OUT):
	@mkdir -p $@

build: $(BOX) ## build ./berth, one static binary (the default)
	$(GOBUILD) -o berth .

# The embedded image changes only when its sources do.
$(BOX): $(BOX_SOURCES)
	GO="$(GO)" sh box/build.sh $(abspath $@)

demo: build ## build, then run a container with no network and leave nothing behind
	@sh tests/demo.sh ./berth

setup: ## install what the tests need from Debian's packages (root), or say what is missing
	@sh tests/setup.sh

test: ## set up and run everything: vet, lint, unit, root and a short VM run
	@sh tests/all.sh

test-unit: $(BOX) ## tests of every package; those that need root skip without it
	$(GOTEST) $(filter-out berth/tests,$(PACKAGES))

test-root: build $(OUT) ## everything that needs root, with nothing allowed to skip
	@[ "$$(id -u)" = 0 ] || { echo "test-root: needs root: sudo make test-root" >&2; exit 1; }
	@code=0; export CI=true BERTH_BIN=$(abspath berth); \
	BERTH_FIXTURE_BOOKWORM=$$(sh tests/fixture/debootstrap.sh bookworm) || exit 1; export BERTH_FIXTURE_BOOKWORM; \
	$(GOTEST) -count=1 -v -timeout 20m $(filter-out $(ALONE),$(PACKAGES)) >$(OUT)/test-root.log 2>&1 || code=$$?; \
	$(GOTEST) -count=1 -v -timeout 20m -p 1 $(ALONE) >>$(OUT)/test-root.log 2>&1 || code=$$?; \
	sh tests/judge.sh $(OUT)/test-root.log && exit $$code

test-vm: build ## the root tests in a Debian machine with systemd and cgroup v2 (QEMU)
	@sh tests/vm/suite.sh

test-vm-short: build ## the same, short enough for every change
	@sh tests/vm/suite.sh -short

test-soak: build ## long counts: thousands of runs, exit codes, output sizes (root)
	@[ "$$(id -u)" = 0 ] || { echo "test-soak: needs root: sudo make test-soak" >&2; exit 1; }
	CI=true BERTH_SOAK=1 BERTH_BIN=$(abspath berth) $(GOTEST) -count=1 -timeout 4h -run Soak -v ./tests/... ./rootfs

FUZZTIME ?= 30s
fuzz: $(BOX) ## run every fuzz test for FUZZTIME (default 30s)
	@GO="$(GO)" TAGS="$(TAGS)" sh tests/fuzz.sh $(FUZZTIME)

vet: $(BOX)
	$(GO) vet $(GOFLAGS_ALL) ./...

lint: $(LINTER) $(BOX) ## golangci-lint with .golangci.yml, and the rules of tests/style
	$(LINTER) run --timeout 15m
	$(GOTEST) -count=1 ./tests/style

# The linter is a tool of a module of its own: its hundreds of requirements
# must not choose the versions of berth's dependencies.
$(LINTER): tests/tools/go.mod tests/tools/go.sum
	@mkdir -p $(@D)
	CC=gcc CGO_CFLAGS= $(GO) build -C tests/tools -trimpath -buildvcs=false -ldflags='-s -w' -o $(abspath $@) github.com/golangci/golangci-lint/v2/cmd/golangci-lint

bench: build ## compare with crun, runc, bubblewrap, podman and docker (root, Debian)
	@GO="$(GO)" sh bench/run.sh $(BENCHFLAGS)

man: ## write docs/man and the tables of docs/coming-from-docker.md from the commands' own help
	$(GO) run $(GOFLAGS_ALL) ./docs/genman -o docs/man

install: build ## install the binary, its link berth-runc, man pages and completion (DESTDIR, PREFIX)
	install -D -m 755 berth $(DESTDIR)$(PREFIX)/bin/berth
	ln -sf berth $(DESTDIR)$(PREFIX)/bin/berth-runc
	@for page in docs/man/*.1; do [ ! -f "$$page" ] || install -D -m 644 "$$page" "$(DESTDIR)$(PREFIX)/share/man/man1/$${page##*/}"; done
	@for page in docs/man/*.8; do [ ! -f "$$page" ] || install -D -m 644 "$$page" "$(DESTDIR)$(PREFIX)/share/man/man8/$${page##*/}"; done
	install -D -m 644 cli/completion/berth.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/berth
	install -D -m 644 cli/completion/berth.zsh $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_berth
	install -D -m 644 cli/completion/berth.fish $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/berth.fish

# Debian's cross compiler has no musl, so this one is static glibc. The overlay
# puts the arm64 image where this machine's is embedded from.
build-arm64: $(BOX_ARM64) ## build ./berth-arm64 with Debian's cross compiler
	@command -v aarch64-linux-gnu-gcc >/dev/null || { echo "build-arm64: apt-get install gcc-aarch64-linux-gnu libc6-dev-arm64-cross" >&2; exit 1; }
	@echo '{"Replace":{"$(abspath $(BOX))":"$(abspath $(BOX_ARM64))"}}' >$(OUT)/arm64/overlay.json
	CC=aarch64-linux-gnu-gcc CGO_CFLAGS=-O2 GOARCH=arm64 $(GOBUILD) -overlay $(OUT)/arm64/overlay.json -o berth-arm64 .

$(BOX_ARM64): $(BOX_SOURCES)
	@mkdir -p $(@D)
	GO="$(GO)" GOARCH=arm64 sh box/build.sh $(abspath $@)

clean: ## remove what was built, with the cached disks and fixtures
	rm -rf berth berth-arm64 $(BOX) $(OUT)

help: ## list the targets
	@sed -n 's/^\([a-z0-9-]*\):[^#]*## \(.*\)/\1\t\2/p' $(firstword $(MAKEFILE_LIST)) | while IFS='	' read -r name text; do printf '  %-15s %s\n' "$$name" "$$text"; done

# weir: one non-recursive makefile. Objects of each VARIANT live under build/VARIANT; the release
# program is also at build/weir. Sources are found by folder: a new .c file needs no change here.
#
#   VARIANT=release   what ships                    VARIANT=asan   clang: AddressSanitizer + UBSan, and libFuzzer's coverage
#   VARIANT=tsan      ThreadSanitizer               VARIANT=cov    gcov

VARIANT ?= release
B := build/$(VARIANT)
PREFIX ?= /usr/local
VERSION := 0.1.0
SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 0)

# ---- flags ---------------------------------------------------------------------------------------
WARN := -Wall -Wextra -Werror -Wshadow -Wconversion -Wpointer-arith -Wcast-qual -Wwrite-strings \
	-Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition -Wundef -Wformat -Wformat-security \
	-Wimplicit-fallthrough -Wvla
HARDEN := -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection -fPIE
ARCH := $(shell uname -m)
ifeq ($(ARCH),x86_64)
HARDEN += -fcf-protection
endif
PKGS := libevent_core libevent_extra libevent_openssl libevent_pthreads openssl libcurl jansson \
	libzstd libxxhash libmaxminddb
CPPFLAGS := -D_GNU_SOURCE -Ilib -Iserver -DWEIR_VERSION='"$(VERSION)"' $(CPPFLAGS_EXTRA)
CFLAGS_COMMON := -std=gnu11 -g -pthread -fno-strict-aliasing -ffile-prefix-map=$(CURDIR)=. $(WARN)
LDFLAGS_COMMON := -pthread -pie -Wl,-z,relro,-z,now
LIBS = $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lmsgpackc -ldeflate -lonig -lyaml -lz -lresolv -lm

ifeq ($(VARIANT),release)
CC := gcc
CFLAGS := $(CFLAGS_COMMON) -O2 $(HARDEN) $(CFLAGS_EXTRA)
LDFLAGS := $(LDFLAGS_COMMON)
else ifeq ($(VARIANT),asan)
CC := clang
# -Wno-cast-qual: of OpenSSL's macros, which clang takes for ours. pointer-overflow: NULL + 0, which C2y defines (N3322); what is
# beyond its object is AddressSanitizer's to see. __SANITIZE_ADDRESS__ is what gcc defines by itself.
CFLAGS := $(CFLAGS_COMMON) -D__SANITIZE_ADDRESS__=1 -Wno-cast-qual -g1 -O1 -fno-omit-frame-pointer -fPIE \
	-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize=pointer-overflow \
	-fno-sanitize-recover=all $(CFLAGS_EXTRA)
LDFLAGS := $(LDFLAGS_COMMON) -fsanitize=address,undefined
else ifeq ($(VARIANT),tsan)
CC := gcc
CFLAGS := $(CFLAGS_COMMON) -g1 -O1 -fno-omit-frame-pointer -fsanitize=thread -fPIE $(CFLAGS_EXTRA)
LDFLAGS := $(LDFLAGS_COMMON) -fuse-ld=gold -fsanitize=thread
else ifeq ($(VARIANT),cov)
CC := gcc
CFLAGS := $(CFLAGS_COMMON) -O0 --coverage -fPIE $(CFLAGS_EXTRA)
LDFLAGS := $(LDFLAGS_COMMON) --coverage
else
$(error unknown VARIANT '$(VARIANT)')
endif

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-8s %s\n' $(1) $(2))

# ---- sources -------------------------------------------------------------------------------------
LIB_SRC := $(sort $(wildcard lib/*/*.c))
SERVER_SRC := $(sort $(wildcard server/*.c))
UNIT_SRC := $(sort $(wildcard test/unit/*_test.c test/unit/*/*_test.c))
FUZZ_SRC := $(sort $(wildcard test/fuzz/*_fuzz.c))
BENCH_SRC := $(sort $(wildcard test/bench/*.c))

# The files that hold SIMD kernels chosen at run time are compiled once more for AVX2.
AVX2_SRC := $(wildcard lib/record/*_simd.c)
LIB_OBJ := $(LIB_SRC:%.c=$B/%.o)
ifeq ($(ARCH),x86_64)
LIB_OBJ += $(AVX2_SRC:%.c=$B/%.avx2.o)
endif
SERVER_OBJ := $(SERVER_SRC:%.c=$B/%.o)
LIBWEIR := $B/libweir.a
LIBSERVER := $B/libserver.a
UNIT_BIN := $(UNIT_SRC:%.c=$B/%)
FUZZ_BIN := $(FUZZ_SRC:%.c=$B/%)
BENCH_BIN := $(BENCH_SRC:%.c=$B/%)

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all
all: build/weir ## build the program at build/weir

build/weir: build/release/weir
	$(call say,LINK,$@)
	$(Q)ln -f $< $@

$B/weir: $B/server/main.o $(LIBSERVER) $(LIBWEIR)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS)

$(LIBWEIR): $(LIB_OBJ)
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcsD $@ $^

$(LIBSERVER): $(filter-out $B/server/main.o,$(SERVER_OBJ))
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcsD $@ $^

ifneq ($(VARIANT),release)
build/release/weir: FORCE
	$(Q)$(MAKE) --no-print-directory VARIANT=release build/release/weir
.PHONY: FORCE
FORCE:
endif

$B/%.o: %.c Makefile | deps-check
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$B/server/status_page.o: server/page/status.html

$B/%.avx2.o: %.c Makefile | deps-check
	$(call say,CC,"$< (avx2)")
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -mavx2 -mbmi -mbmi2 -mlzcnt -DWEIR_AVX2 -MMD -MP -c -o $@ $<

# ---- tests ---------------------------------------------------------------------------------------
$B/test/unit/%_test: $B/test/unit/%_test.o $(LIBSERVER) $(LIBWEIR)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $< $(LIBSERVER) $(LIBWEIR) $(LIBS) -lcmocka

.PHONY: unit
unit: $(UNIT_BIN) ## build and run the unit tests of this VARIANT
	$(Q)sh test/run-unit $(UNIT_BIN)

$B/test/fuzz/%_fuzz: $B/test/fuzz/%_fuzz.o $(LIBSERVER) $(LIBWEIR)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -fsanitize=fuzzer -o $@ $< $(LIBSERVER) $(LIBWEIR) $(LIBS)

.PHONY: fuzz-bin
fuzz-bin: $(FUZZ_BIN)

FUZZ_SECONDS ?= 600
.PHONY: fuzz
fuzz: ## fuzz each parser for FUZZ_SECONDS (600) over its kept corpus
	$(Q)$(MAKE) --no-print-directory VARIANT=asan fuzz-bin
	$(Q)sh test/run-fuzz $(FUZZ_SECONDS) $(FUZZ_SRC:%.c=build/asan/%)

$B/test/bench/%: $B/test/bench/%.o $(LIBSERVER) $(LIBWEIR)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $< $(LIBSERVER) $(LIBWEIR) $(LIBS)

.PHONY: bench
bench: build/weir build/release/test/bench/load_gen build/release/test/bench/null_sink ## records per CPU-second, end to end
	$(Q)test/bench/run

.PHONY: integration
integration: build/weir ## the tests against real servers and real clients (WEIR_BIN chooses another build)
	$(Q)test/integration/run $(PYTEST_ARGS)

.PHONY: faults
faults: build/weir ## fault campaigns with a report (FAULTS="kill-random mixed", FAULTS_SCALE=0.02 for five minutes, FAULTS_SEED)
	$(Q)test/faults/run $(FAULTS)

.PHONY: mutants
mutants: ## breaks each promise once, in a copy of the tree: a named test has to see it (MUTANTS="words of a name" chooses)
	$(Q)test/check/mutants.py $(MUTANTS)

.PHONY: test
test: ## install what it needs, build, and run all tests
	$(Q)sh deploy/install-deps build test
	$(Q)sh test/run-all

.PHONY: lint
lint: ## formatting, compiler analysis, clang-tidy, cppcheck, and the rules of the tree
	$(Q)sh deploy/install-deps build test
	$(Q)sh test/check/lint

.PHONY: demo
demo: ## the whole way on real parts: weir, OpenSearch, real senders (DEMO_ONCE=1: check and leave)
	$(Q)sh deploy/install-deps build test
	$(Q)$(MAKE) --no-print-directory build/weir
	$(Q)test/demo/demo

# ---- installation --------------------------------------------------------------------------------
.PHONY: install
install: build/weir ## install under $(DESTDIR)$(PREFIX)
	install -D -m 755 build/weir $(DESTDIR)$(PREFIX)/bin/weir
	install -D -m 644 config/weir.conf $(DESTDIR)$(PREFIX)/share/doc/weir/weir.conf
	install -D -m 644 config/reference.md $(DESTDIR)$(PREFIX)/share/doc/weir/reference.md
	install -D -m 644 README.md $(DESTDIR)$(PREFIX)/share/doc/weir/README.md
	install -D -m 644 LICENSE $(DESTDIR)$(PREFIX)/share/doc/weir/LICENSE
	install -D -m 644 deploy/man/weir.1 $(DESTDIR)$(PREFIX)/share/man/man1/weir.1
	install -D -m 644 deploy/man/weir.conf.5 $(DESTDIR)$(PREFIX)/share/man/man5/weir.conf.5
	install -D -m 644 deploy/completion/weir.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/weir
	install -D -m 644 deploy/completion/_weir $(DESTDIR)$(PREFIX)/share/zsh/vendor-completions/_weir
	mkdir -p $(DESTDIR)$(PREFIX)/share/weir
	cp -r deploy/templates deploy/kibana deploy/grafana $(DESTDIR)$(PREFIX)/share/weir/
	find $(DESTDIR)$(PREFIX)/share/weir -name README.md -delete
ifdef SYSTEMD
	install -D -m 644 deploy/systemd/weir.service $(DESTDIR)/etc/systemd/system/weir.service
	sed -i 's:/usr/bin/weir:$(PREFIX)/bin/weir:' $(DESTDIR)/etc/systemd/system/weir.service
	install -D -m 644 deploy/systemd/weir.sysusers $(DESTDIR)/usr/lib/sysusers.d/weir.conf
	install -D -m 644 deploy/systemd/weir.tmpfiles $(DESTDIR)/usr/lib/tmpfiles.d/weir.conf
	[ -e $(DESTDIR)/etc/default/weir ] || install -D -m 600 deploy/systemd/weir.default $(DESTDIR)/etc/default/weir
	[ -e $(DESTDIR)/etc/weir/weir.conf ] || install -D -m 644 config/weir.conf $(DESTDIR)/etc/weir/weir.conf
endif

# The package is built from a copy with the objects that are there, so that nothing is compiled twice.
DEB := build/deb/weir-$(VERSION)
.PHONY: deb
deb: build/weir ## a Debian package at build/deb
	rm -rf build/deb && mkdir -p $(DEB)/build
	cp -al build/release $(DEB)/build/
	cp -a lib server config deploy Makefile LICENSE README.md $(DEB)/
	cp -a deploy/debian $(DEB)/debian
	for f in service sysusers tmpfiles default; do cp deploy/systemd/weir.$$f $(DEB)/debian/; done
	cd $(DEB) && dpkg-buildpackage -b -us -uc
	rm -r $(DEB)

.PHONY: dist-binary
dist-binary: build/weir ## a tarball at build/dist that runs on any Linux of this architecture
	SOURCE_DATE_EPOCH=$(SOURCE_DATE_EPOCH) deploy/tarball/make build/weir weir-$(VERSION)-linux-$(ARCH) build/dist

.PHONY: reference
reference: build/weir ## make config/reference.md anew from the plugins' tables
	build/weir reference >config/reference.md

.PHONY: format
format: ## format all sources
	clang-format -i $(LIB_SRC) $(SERVER_SRC) $(UNIT_SRC) $(FUZZ_SRC) $(BENCH_SRC) $(wildcard lib/*/*.h server/*.h test/*/*.h test/*/*/*.h)

.PHONY: clean
clean: ## remove what was built (downloads in build/cache stay; `rm -rf build` removes them too)
	rm -rf $(filter-out build/cache,$(wildcard build/*))

.PHONY: help
help: ## this text
	@awk -F':.*## ' '/^[a-z][a-z-]*:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# ---- what a fresh machine needs -------------------------------------------------------------------
.PHONY: deps deps-check
deps: ## install the packages that building and testing need (Debian, as root or with sudo)
	$(Q)sh deploy/install-deps build test
deps-check:
	$(Q)sh deploy/install-deps --quiet build

-include $(LIB_OBJ:.o=.d) $(SERVER_OBJ:.o=.d) $(UNIT_BIN:=.d) $(FUZZ_BIN:=.d) $(BENCH_BIN:=.d)

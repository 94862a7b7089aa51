# SPDX-License-Identifier: GPL-2.0-only
#
# For people; "make help" lists the targets. The kernel's build reads Kbuild.

KERNEL_RELEASE ?= $(shell uname -r)
KDIR ?= /lib/modules/$(KERNEL_RELEASE)/build
UDEV_RULES ?= /usr/lib/udev/rules.d
UNITS ?= /usr/lib/systemd/system
PREFIX ?= /usr
BIN = $(DESTDIR)$(PREFIX)/bin
SHARE = $(DESTDIR)$(PREFIX)/share
COMPLETIONS = $(SHARE)/bash-completion/completions

export PYTHONDONTWRITEBYTECODE := 1

# The same module wherever it is built: names of files do not begin with the folder.
PREFIX_MAP := -ffile-prefix-map=$(CURDIR)=hv_balloon

# no-package comes before what it guards. The builds below this make stay parallel.
.NOTPARALLEL:

.PHONY: modules
modules:
	$(MAKE) -C $(KDIR) M=$(CURDIR) KCFLAGS='$(KCFLAGS) $(PREFIX_MAP)' modules

# A part of the tests that is a program.
RUN := PYTHONPATH=$(CURDIR)/tests /usr/bin/python3 -m

# The kernel's script that reads how each file was compiled. Packages of headers lack it.
GEN_COMPILE_COMMANDS = $(firstword \
	$(wildcard $(KDIR)/scripts/clang-tools/gen_compile_commands.py) \
	$(shell $(RUN) lab source 6.1)/scripts/clang-tools/gen_compile_commands.py)

.PHONY: compile_commands.json
compile_commands.json: modules
	/usr/bin/python3 $(GEN_COMPILE_COMMANDS) -d $(KDIR) -o $@ modules.order

# Under both names, as DKMS does: one after the other, since they share objects.
.PHONY: both
both:
	$(MAKE) MODULE=hv_balloon modules
	$(MAKE) MODULE=hv_dynmem modules

.PHONY: clean
clean:
	$(MAKE) -C $(KDIR) M=$(CURDIR) clean
	rm -rf build demo-out compile_commands.json

DEPMOD = depmod $(if $(DESTDIR),-b $(DESTDIR)) $(KERNEL_RELEASE)

# When it is active: hv_balloon cannot be loaded while the kernel's own is, hv_dynmem can.
MODULE ?= hv_balloon
ACTIVE_hv_balloon = Active after a reboot. To need none: make MODULE=hv_dynmem.
ACTIVE_hv_dynmem = Active after: hvballoon takeover, until the next boot. At each boot, where \
	hv_balloon is a module: make && sudo make install; where it is built in: \
	sudo systemctl enable hvballoon-takeover.service

# Rules and units have their places whatever PREFIX is.
RULES_AND_UNITS = $(addprefix $(DESTDIR)$(UDEV_RULES)/,$(notdir $(wildcard packaging/udev/*.rules))) \
	$(addprefix $(DESTDIR)$(UNITS)/,$(notdir $(wildcard packaging/systemd/*.service)))
# What a package may have put there, too.
SHARED_FILES = $(BIN)/hvballoon $(RULES_AND_UNITS)

# It is not replaced, nor removed. To dpkg /lib is another folder than /usr/lib, also where it is a
# link to it.
.PHONY: no-package
no-package:
	@for file in $(SHARED_FILES) $(patsubst /usr/lib/%,/lib/%,$(filter /usr/lib/%,$(SHARED_FILES))); do \
		if owner=$$(dpkg -S $$file || rpm -qf $$file) 2>/dev/null; then \
			echo "$$file belongs to a package ($$owner): remove that first"; exit 1; \
		fi; \
	done >&2

# Modules in updates/ win over those of the kernel, which stay where they are.
.PHONY: install
install: no-package install-tools
	$(MAKE) -C $(KDIR) M=$(CURDIR) INSTALL_MOD_PATH=$(DESTDIR) INSTALL_MOD_DIR=updates \
		modules_install
	install -D -m 644 -t $(DESTDIR)$(UDEV_RULES) packaging/udev/*.rules
	install -D -m 644 -t $(DESTDIR)$(UNITS) packaging/systemd/*.service
	sed -i 's,/usr/bin/hvballoon,$(PREFIX)/bin/hvballoon,' \
		$(DESTDIR)$(UNITS)/hvballoon-takeover.service \
		$(DESTDIR)$(UDEV_RULES)/61-hv-dynmem.rules
	$(DEPMOD)
	@echo
	@echo "Installed for kernel $(KERNEL_RELEASE). $(ACTIVE_$(MODULE))"

# The device goes back to the kernel's own driver first, if hv_dynmem has it.
.PHONY: release-device
release-device:
	@[ -n "$(DESTDIR)" ] || [ ! -d /sys/module/hv_dynmem ] || tools/hvballoon release || \
		echo "hv_dynmem stays until the next boot"

.PHONY: uninstall
uninstall: no-package release-device uninstall-tools
	@[ -n "$(DESTDIR)" ] || systemctl disable hvballoon-takeover.service 2>/dev/null || :
	rm -f $(foreach name,hv_balloon hv_dynmem,$(DESTDIR)/lib/modules/$(KERNEL_RELEASE)/updates/$(name).ko*)
	rm -f $(RULES_AND_UNITS)
	$(DEPMOD)
	@echo "Removed. The kernel's own hv_balloon is back at the next boot, or was since"
	@echo "hvballoon release."

# What DKMS builds the module from, for packages. SOURCE=FOLDER
.PHONY: install-source
install-source:
	install -d $(SOURCE)/lib $(SOURCE)/compat
	install -p -m 644 Kbuild Makefile $(wildcard *.c *.h) $(SOURCE)
	install -p -m 644 $(wildcard lib/*.[ch]) $(SOURCE)/lib
	install -p -m 755 compat/probe.sh $(SOURCE)/compat

# The command hvballoon, with its manual page, and the program of hvballoon-pressure.service.
.PHONY: install-tools
install-tools:
	install -D -m 755 tools/hvballoon $(BIN)/hvballoon
	install -D -m 755 tools/hvballoon-pressure $(SHARE)/hvballoon/hvballoon-pressure
	install -D -m 644 -t $(SHARE)/hvballoon tools/*.sh tools/*.awk
	install -D -m 644 -t $(SHARE)/man/man8 tools/hvballoon.8
	install -D -m 644 tools/hvballoon.bash-completion $(COMPLETIONS)/hvballoon

.PHONY: uninstall-tools
uninstall-tools:
	rm -f $(BIN)/hvballoon $(SHARE)/man/man8/hvballoon.8 $(COMPLETIONS)/hvballoon
	rm -rf $(SHARE)/hvballoon

# Options: T=NAME for one case, LAYER=NAME for one layer, KEEP=1 for a prompt where one fails.
.PHONY: check
check:
	tests/check $(if $(T),-T '$(T)') $(if $(LAYER),--layer $(LAYER)) $(if $(KEEP),--keep)

.PHONY: check-all
check-all:
	tests/check --all

# Options: KERNEL=6.12, and sizes in MiB: STARTUP= MINIMUM= MAXIMUM=
.PHONY: demo
demo:
	tests/lab/install-deps.sh
	$(RUN) demo $(if $(KERNEL),--kernel '$(KERNEL)') \
		$(if $(STARTUP),--startup '$(STARTUP)') \
		$(if $(MINIMUM),--minimum '$(MINIMUM)') \
		$(if $(MAXIMUM),--maximum '$(MAXIMUM)')

# Options: KERNEL=6.12, RUNS=5, W='fragmented' for one workload.
.PHONY: bench
bench:
	tests/lab/install-deps.sh
	$(RUN) bench $(if $(KERNEL),--kernel '$(KERNEL)') $(if $(RUNS),--runs '$(RUNS)') \
		$(if $(W),--workload '$(W)')

# Bugs that are planted, each with what finds it: docs/mutants.md. Options: T=NAME
.PHONY: mutants
mutants:
	tests/lab/install-deps.sh
	$(RUN) mutants $(if $(T),-T '$(T)')

# The release archive, with its checksum.
.PHONY: dist
dist:
	packaging/dist.sh build/dist

# Debian packages. They are for all releases from the one on that they are built on.
.PHONY: deb
deb:
	packaging/deb.sh build/deb

# Builds for all kernels that are known, boots each: an hour or two.
.PHONY: matrix
matrix:
	tests/lab/install-deps.sh --matrix
	$(RUN) matrix

# Options: KSRC=FOLDER, a kernel tree that gets this driver instead of its own.
.PHONY: intree
intree:
	packaging/intree.sh '$(KSRC)'

.PHONY: help
help:
	@echo 'On a guest of Hyper-V:'
	@echo '  make                build hv_balloon.ko for the running kernel'
	@echo '  sudo make install   install it, the udev rule and the command hvballoon;'
	@echo '                      active after a reboot'
	@echo '  sudo make uninstall go back to the driver of the kernel'
	@echo '      KDIR=FOLDER            headers of another kernel'
	@echo '      MODULE=hv_dynmem       the same driver under a name of its own, which'
	@echo '                             can be loaded beside the in-tree driver: no reboot'
	@echo '      KERNEL_RELEASE=NAME    that kernel, as uname -r prints it'
	@echo '      DESTDIR= PREFIX=/usr UDEV_RULES= UNITS=   where packages install'
	@echo '  make both           build hv_balloon.ko and hv_dynmem.ko'
	@echo
	@echo 'On any Debian 12 machine:'
	@echo '  make demo           see the driver at work on a real Dynamic Memory host'
	@echo '      KERNEL=6.12            kernel of the guest (default 6.1)'
	@echo '      STARTUP= MINIMUM= MAXIMUM=   sizes of the guest in MiB'
	@echo '  make check          run the tests'
	@echo '      T=NAME                 only the cases whose names match'
	@echo '      KEEP=1                 where a case fails, take commands for its guest'
	@echo '      LAYER=NAME             only one layer: static, unit, kunit, fuzz, tool, real-host-6.1 ...'
	@echo '  make check-all      run also the tests that are slow and rarely fail'
	@echo '  make mutants        plant bugs in the driver, print which case finds each; an hour or two'
	@echo '  make bench          compare with other drivers, some hours; RUNS= W=WORKLOAD KERNEL='
	@echo '  make matrix         build for each kernel, boot each, print a table'
	@echo '  make intree KSRC=FOLDER   put the driver into a kernel tree'
	@echo '  make deb            build the Debian packages, from a git checkout (needs git,'
	@echo '                      build-essential, debhelper, dh-dkms)'
	@echo '  make dist           write the release archive'
	@echo '  make compile_commands.json   how each file is compiled, for editors'
	@echo '  make clean          remove what was built in this folder'

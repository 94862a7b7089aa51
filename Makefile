# SPDX-License-Identifier: GPL-2.0-only
#
# For people: make help. The kernel's build reads Kbuild.

KDIR ?= /lib/modules/$(shell uname -r)/build

.PHONY: modules
modules:
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules

.PHONY: clean
clean:
	$(MAKE) -C $(KDIR) M=$(CURDIR) clean

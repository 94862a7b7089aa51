# SPDX-License-Identifier: GPL-2.0-only
#
# Flags for files of the driver in a program of the host. UNIT is the folder of the unit tests.

# As the kernel's build has it: its dialect, its first header, and without the
# warnings that its style does not care for.
CFLAGS += -std=gnu11 -fno-strict-aliasing -I$(UNIT)/shim -include linux/compiler_types.h
CFLAGS += -Wno-sign-compare -Wno-missing-field-initializers -Wno-unused-parameter
CFLAGS += -Wno-address-of-packed-member -Wno-format-zero-length

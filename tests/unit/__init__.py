# SPDX-License-Identifier: GPL-2.0-only
"""The pure logic: as a program, and in a kernel."""

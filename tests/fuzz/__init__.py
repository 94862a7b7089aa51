# SPDX-License-Identifier: GPL-2.0-only
"""The pure logic under libFuzzer."""

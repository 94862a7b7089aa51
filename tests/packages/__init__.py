# SPDX-License-Identifier: GPL-2.0-only
"""Packages and the release archive."""

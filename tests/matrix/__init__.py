# SPDX-License-Identifier: GPL-2.0-only
"""Builds for each kernel that is known."""

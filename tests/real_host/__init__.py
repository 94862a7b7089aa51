# SPDX-License-Identifier: GPL-2.0-only
"""Scenarios on a real Dynamic Memory host."""

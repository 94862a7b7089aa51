# SPDX-License-Identifier: GPL-2.0-only
"""Bugs that are planted in copies of the driver, one at a time, and what finds each."""

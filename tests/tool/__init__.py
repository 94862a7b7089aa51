# SPDX-License-Identifier: GPL-2.0-only
"""The command hvballoon, on guests made of files."""

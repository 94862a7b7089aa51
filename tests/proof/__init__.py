# SPDX-License-Identifier: GPL-2.0-only
"""Proofs: the pure files by CBMC, the order of what the work items do by Spin."""

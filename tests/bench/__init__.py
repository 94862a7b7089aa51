# SPDX-License-Identifier: GPL-2.0-only
"""The benchmark: this driver and its peers under the same workloads."""

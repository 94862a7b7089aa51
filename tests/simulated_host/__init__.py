# SPDX-License-Identifier: GPL-2.0-only
"""Scripts that play the host, in a guest without Hyper-V."""

# SPDX-License-Identifier: GPL-2.0-only
"""What can be said of the driver without running it."""

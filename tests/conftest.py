# SPDX-License-Identifier: GPL-2.0-only
"""What all layers share."""

import pytest

# What helpers assert is shown in figures, as what cases assert.
pytest.register_assert_rewrite("lab", "simulated_host")

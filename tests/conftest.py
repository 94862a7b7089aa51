# SPDX-License-Identifier: GPL-2.0-only
"""What all layers share."""

import pytest

# What helpers assert is shown in figures, as what cases assert.
pytest.register_assert_rewrite("lab", "simulated_host")

from lab import results


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(item):
    """Put what was repeated of a case into the result file."""
    item.user_properties += [(results.REPEATED, why) for why in results.noted()]

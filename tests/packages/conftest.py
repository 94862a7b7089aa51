# SPDX-License-Identifier: GPL-2.0-only
"""Cases with guests are repeated as those of the scenarios are."""

import pytest

from lab import repeat


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """Repeat a case if that failed which carries its guest."""
    return repeat.call(pyfuncitem)

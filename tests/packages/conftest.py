# SPDX-License-Identifier: GPL-2.0-only
"""Cases with guests are repeated as those of the scenarios are."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))

from lab import repeat  # noqa: E402  pylint: disable=wrong-import-position


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """Repeat a case if that failed which carries its guest."""
    return repeat.call(pyfuncitem)

# SPDX-License-Identifier: GPL-2.0-only
"""Cases of pytest that run again if that failed which carries their guest."""

import pytest

from . import LabError, cache, results
from .real_guest import CarrierBroken

REPEATS = 3         # of a case: more than that is no accident
LEFT = [None] * 8   # of all together: a machine on which guests do not run is not waited for


def call(item: pytest.Function) -> bool | None:
    """Run a case with a carrier, as often as it takes; None if it is for pytest to run."""
    if "carrier" not in item.funcargs:
        return None
    for _ in range(REPEATS):
        try:
            _run(item)
            return True
        except CarrierBroken as error:
            if not LEFT:
                raise
            LEFT.pop()
            cache.say(f"{item.name}: repeated, since {error}")
            results.note_repeat(str(error))
    _run(item)
    return True


def _run(item):
    """Run a case once; if it fails, the next one gets all anew that carries its guest."""
    names = item._fixtureinfo.argnames
    try:
        item.obj(**{name: item.funcargs[name] for name in names})
    except LabError:
        item.funcargs["carrier"].renew()
        raise

# SPDX-License-Identifier: GPL-2.0-only
"""The host moves the guest's size down and up; both sides agree and no page is lost."""

from lab.figures import (assert_not_less_free, ballooned_mib, free_mib, hot_added_mib, reach,
                         total_mib)
from lab.memhog import Memhog

# The memory map of hot-added memory (64 bytes per page of 4 KiB) comes out of free memory.
MEMORY_MAP = 64 / 4096


def test_one_gib_guest_reaches_each_target(boot):
    """1 GiB: 700, 1024, 1536, 1024 MiB; hot-added memory is online and keeps its contents."""
    with boot(startup=1024, maximum=4096) as guest:
        guest.load()
        total = total_mib(guest)
        reach(guest, 700, startup=1024)
        assert ballooned_mib(guest) == 324
        assert total_mib(guest) == total, "ballooned memory must count as used"
        reach(guest, 1024, startup=1024)
        assert ballooned_mib(guest) == 0
        reach(guest, 1536, startup=1024)
        assert hot_added_mib(guest) == 512
        assert total_mib(guest) == total + 512
        _fill(guest, 1100)  # more than there was before the hot-add
        reach(guest, 1024, startup=1024)
        assert (ballooned_mib(guest), hot_added_mib(guest)) == (512, 512)


def _fill(guest, mib):
    hog = Memhog(guest, mib)
    assert hog.verify() == 0
    hog.stop()


def test_four_gib_guest_loses_no_page(boot):
    """4 GiB: down to 2, back, up to 6, down, up again: totals and free memory return."""
    startup = 4096
    with boot(startup=startup, maximum=6144) as guest:
        guest.load()
        small = (total_mib(guest), free_mib(guest))
        reach(guest, 4096, startup)
        reach(guest, 2048, startup)
        reach(guest, 4096, startup)
        _assert_returned(guest, small)
        reach(guest, 6144, startup)
        assert_not_less_free(guest, small[1] + 2048 * (1 - MEMORY_MAP))
        large = (total_mib(guest), free_mib(guest))
        assert large[0] == small[0] + 2048
        reach(guest, 4096, startup)
        reach(guest, 6144, startup)
        _assert_returned(guest, large)


def _assert_returned(guest, before):
    assert ballooned_mib(guest) == 0
    assert total_mib(guest) == before[0]
    assert_not_less_free(guest, before[1])

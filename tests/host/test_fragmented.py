# SPDX-License-Identifier: GPL-2.0-only
"""Memory in which every second page is in use: blocks of 2 MiB have to be made.

Whether the kernel's compaction makes them is a matter of luck: it looks at each 32nd page, and
in such memory all of these may be in use, or none. The driver must not depend on it.
"""

import pytest

import wire
from lab.memhog import Memhog
from test_balloon import assert_books
from test_memory import available, no_program_is_killed, spare  # noqa: F401  (a fixture)

MIB = 256       # pages
LEFT_MIB = 80   # what the program leaves before it gives every second page back


@pytest.fixture
def hog(running):
    """A program that has every second page; none of them may move to its harm."""
    program = Memhog(running, available(running) // MIB - LEFT_MIB, "--small-pages --quick")
    program.thin()
    yield program
    program.stop()


@pytest.mark.usefixtures("hog")
@pytest.mark.parametrize("attempt", range(3))
def test_every_second_page_in_use(running, attempt):  # pylint: disable=unused-argument
    """The host gets whole blocks, named in one message, and returns them as such."""
    wanted = spare(running) * 2 // 3 * MIB
    ranges, messages = running.host.inflate(wanted)
    assert (wire.total(ranges), messages) == (wanted, 1)
    assert wire.in_large_blocks(ranges) > 0.9 * wanted
    assert len(ranges) < wanted // wire.LARGE
    assert_books(running, wanted)
    running.host.deflate(ranges)
    assert_books(running, 0)

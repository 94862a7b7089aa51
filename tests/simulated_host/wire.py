# SPDX-License-Identifier: GPL-2.0-only
"""The Dynamic Memory protocol as the host of the scripts speaks it: bytes only.

Written from the protocol, not from the driver, so that a mistake of one is not one of both.
"""

import struct
from dataclasses import dataclass

VERSION_REQUEST, VERSION_RESPONSE = 1, 2
CAPABILITIES_REPORT, CAPABILITIES_RESPONSE = 3, 4
STATUS_REPORT = 5
BALLOON_REQUEST, BALLOON_RESPONSE = 6, 7
UNBALLOON_REQUEST, UNBALLOON_RESPONSE = 8, 9
HOT_ADD_REQUEST, HOT_ADD_RESPONSE = 10, 11
INFO = 12

Range = tuple[int, int]     # first page frame, number of pages
Ranges = list[Range]

PFN_BITS = 40
LARGE = 512     # pages of a block of 2 MiB
STEP = LARGE    # the least that Hyper-V adds
ALL = 2 ** 32 - 1   # pages: more than there are
DONE, TRANSIENT = 1, 0  # results of a hot-add
HEADER = struct.Struct("<HHI")
STATUS = "<QQQQII"  # body of a status report: available and committed pages, then what is 0


@dataclass(frozen=True)
class Message:
    """A message of the driver."""

    type: int
    size: int
    id: int
    body: bytes

    def words(self, form: str) -> tuple[int, ...]:
        """Unpack the body, which must have just that length."""
        return struct.unpack(form, self.body)


def parse(data: bytes) -> Message:
    """Take a message of the driver apart; its header must tell the truth."""
    kind, size, number = HEADER.unpack_from(data)
    assert size <= len(data) < size + 8, f"declared {size} bytes, sent {len(data)}"
    return Message(kind, size, number, data[HEADER.size:size])


def message(kind: int, body: bytes = b"", size: int | None = None, number: int = 7) -> bytes:
    """Make a message of the host; `size` overrides the truth."""
    return HEADER.pack(kind, HEADER.size + len(body) if size is None else size, number) + body


def pages(start: int, count: int) -> bytes:
    """Encode a range."""
    return struct.pack("<Q", count << PFN_BITS | start)


def version_response(accepted: bool) -> bytes:
    """Answer a version request."""
    return message(VERSION_RESPONSE, struct.pack("<Q", int(accepted)))


def capabilities_response(accepted: bool, no_reports: bool = False) -> bytes:
    """Answer a capabilities report."""
    return message(CAPABILITIES_RESPONSE, struct.pack("<Q", int(accepted) | no_reports << 2))


def balloon(count: int) -> bytes:
    """Ask for pages."""
    return message(BALLOON_REQUEST, struct.pack("<II", count, 0))


def unballoon(ranges: Ranges, more: bool = False) -> bytes:
    """Give pages back."""
    body = struct.pack("<II", int(more), len(ranges))
    return message(UNBALLOON_REQUEST, body + b"".join(pages(*one) for one in ranges))


def hot_add(start: int, count: int, region: Range | None = None) -> bytes:
    """Offer memory."""
    return message(HOT_ADD_REQUEST, pages(start, count) + (pages(*region) if region else b""))


def info_max_pages(count: int) -> bytes:
    """Tell how much the guest may ever have."""
    return message(INFO, struct.pack("<IIIIQ", 0, 16, 0, 8, count))


def ranges_of(response: Message) -> tuple[int, Ranges]:
    """Return (more, [(start, count)]) of a balloon response."""
    _, word = struct.unpack_from("<II", response.body)
    more, count = word & 1, word >> 1
    assert len(response.body) == 8 + 8 * count
    raw = struct.unpack_from(f"<{count}Q", response.body, 8)
    return more, [(one & (1 << PFN_BITS) - 1, one >> PFN_BITS) for one in raw]


def total(ranges: Ranges) -> int:
    """Return the number of pages of ranges."""
    return sum(count for _, count in ranges)


def in_large_blocks(ranges: Ranges) -> int:
    """Return how many of the pages lie in whole blocks of 2 MiB."""
    return sum(max(0, (start + count) // LARGE - -(-start // LARGE)) * LARGE
               for start, count in ranges)

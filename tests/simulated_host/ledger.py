# SPDX-License-Identifier: GPL-2.0-only
"""What the simulated host has asked for and the driver has not answered yet."""

import struct
import threading
from collections import Counter

from . import wire

REQUEST_OF = {wire.BALLOON_RESPONSE: wire.BALLOON_REQUEST,
              wire.UNBALLOON_RESPONSE: wire.UNBALLOON_REQUEST,
              wire.HOT_ADD_RESPONSE: wire.HOT_ADD_REQUEST}


class Ledger:
    """Each operation ends once, with no more than was asked for; which pages: sim_memory.c.

    A request that is ill-formed may be answered or not.
    """

    def __init__(self, disorder: list[str]) -> None:
        self._disorder = disorder
        self._lock = threading.Lock()
        self._open: Counter[int] = Counter()    # requests without an answer, by type
        self._asked = 0     # pages, in all requests to inflate that are open
        self._named = 0     # pages that the open answer has named so far

    def sent(self, data: bytes, times: int = 1) -> None:
        """Note what the host sends, perhaps ill-formed; `times` is -1 if it was not taken."""
        data += bytes(-len(data) % 8)   # as VMBus does
        if not data:
            return
        kind, = struct.unpack_from("<H", data)
        with self._lock:
            if kind == wire.UNBALLOON_REQUEST and _more_follows(data):
                return
            self._open[kind] += times
            if kind == wire.BALLOON_REQUEST and len(data) > 8:
                self._asked += times * struct.unpack_from("<I", data, 8)[0]

    def received(self, message: wire.Message) -> None:
        """Note a message of the driver."""
        with self._lock:
            if message.type == wire.VERSION_REQUEST:  # a new channel: nothing is open on it
                self._open.clear()
                self._asked = self._named = 0
            elif message.type == wire.BALLOON_RESPONSE:
                self._received_pages(message)
            elif message.type in REQUEST_OF:
                self._ends(message.type)

    def _received_pages(self, message):
        more, ranges = wire.ranges_of(message)
        self._named += wire.total(ranges)
        if self._named > self._asked:
            self._disorder.append(f"{self._named} pages named, {self._asked} asked for")
        if any(not count for _, count in ranges):
            self._disorder.append("a range of no pages")
        if more and not ranges:
            self._disorder.append("nothing named, and more to follow")
        if not more:
            self._ends(message.type)
            self._named = 0
            if not self._open[wire.BALLOON_REQUEST]:
                self._asked = 0

    def _ends(self, kind):
        request = REQUEST_OF[kind]
        if self._open[request]:
            self._open[request] -= 1
        else:
            self._disorder.append(f"type {kind} answers nothing")


def _more_follows(data):
    """Tell whether a request to deflate is well-formed and goes on in the next message."""
    if len(data) < 16:
        return False
    _, size, _, flags, count = struct.unpack_from("<HHIII", data)
    return bool(flags & 1) and size == len(data) == 16 + 8 * count

# SPDX-License-Identifier: GPL-2.0-only
"""The Dynamic Memory host that a script plays: the other end of the driver's channel."""

import contextlib
import errno
import os
import queue
import socket
import struct
import threading
import time

from . import wire
from .ledger import Ledger

PAUSE, RESUME, ANSWER = 0xffff0001, 0xffff0002, 0x80000000


class Host:
    """The script's side of the channel."""

    def __init__(self, connection: socket.socket, patience: float) -> None:
        self._connection = connection
        self._patience = patience
        self._messages: queue.Queue[wire.Message] = queue.Queue()
        self._number = 0
        self.disorder: list[str] = []  # what was wrong with the driver's messages
        self._ledger = Ledger(self.disorder)
        self._answers: queue.Queue[int] = queue.Queue()
        self.reported: list[float] = []      # when status reports arrived, as time.monotonic()
        threading.Thread(target=self._read, daemon=True).start()

    def send(self, data: bytes) -> None:
        """Send bytes to the driver, as they are; waits while the ring is full."""
        while True:
            error = self.try_send(data)
            if not error:
                return
            assert error == errno.EAGAIN, os.strerror(error)
            time.sleep(0.01)

    def try_send(self, data: bytes) -> int:
        """Send bytes to the driver; return 0 or an error number."""
        self._ledger.sent(data)
        self._connection.sendall(struct.pack("<I", len(data)) + data)
        error = self._answers.get(timeout=60 * self._patience)
        if error:
            self._ledger.sent(data, -1)
        return error

    def pause(self) -> None:
        """Read no message of the driver any more, so that its ring fills."""
        self._connection.sendall(struct.pack("<I", PAUSE))

    def resume(self) -> None:
        """Read its messages again."""
        self._connection.sendall(struct.pack("<I", RESUME))

    def receive(self, limit: float = 30) -> wire.Message:
        """Return the next message of the driver, status reports left out."""
        end = time.monotonic() + limit * self._patience
        while True:
            found = self._messages.get(timeout=max(0, end - time.monotonic()))
            if found.type != wire.STATUS_REPORT:
                return found

    def expect(self, kind: int, limit: float = 30) -> wire.Message:
        """Return the next message, which must be of that type."""
        found = self.receive(limit)
        assert found.type == kind, f"type {found.type} instead of {kind}"
        return found

    def silent(self, seconds: float = 1) -> bool:
        """Tell whether the driver says nothing for so long."""
        try:
            self.receive(seconds)
        except queue.Empty:
            return True
        return False

    def reports(self) -> list[wire.Message]:
        """Return the status reports that wait to be read; drops everything else."""
        return [one for one in self.waiting() if one.type == wire.STATUS_REPORT]

    def committed(self, limit: float = 60) -> int:
        """Wait for a status report; return the demand of the last one, with ballooned pages."""
        end = time.monotonic() + limit * self._patience
        while not (found := self.reports()):
            assert time.monotonic() < end, "no status report"
            time.sleep(0.02)
        return found[-1].words(wire.STATUS)[1]

    def waiting(self) -> list[wire.Message]:
        """Return all messages that have arrived."""
        return [self._messages.get() for _ in range(self._messages.qsize())]

    def negotiate(self, version: tuple[int, int] = (2, 0), no_reports: bool = False,
                  limit: float = 30) -> wire.Message:
        """Agree with the driver, at that version; `limit` is for its first message."""
        while True:
            number, last = self.expect(wire.VERSION_REQUEST, limit).words("<II")
            accepted = (number >> 16, number & 0xffff) == version
            self.send(wire.version_response(accepted))
            if accepted:
                break
            assert not last, "the driver gave up before the version that the host has"
        report = self.expect(wire.CAPABILITIES_REPORT)
        self.send(wire.capabilities_response(True, no_reports))
        return report

    def inflate(self, count: int) -> tuple[wire.Ranges, int]:
        """Ask for pages; return all ranges of the answers and the number of messages."""
        self.send(wire.balloon(count))
        return self.inflated()

    def inflated(self) -> tuple[wire.Ranges, int]:
        """Return all ranges of the answers to the request that was sent, and their number."""
        ranges: wire.Ranges = []
        messages, more = 0, 1
        while more:
            more, some = wire.ranges_of(self.expect(wire.BALLOON_RESPONSE, 600))
            ranges += some
            messages += 1
        return ranges, messages

    def deflate(self, ranges: wire.Ranges) -> None:
        """Give pages back, as many ranges in a message as fit."""
        chunks = [ranges[i:i + 510] for i in range(0, len(ranges), 510)] or [[]]
        for chunk in chunks[:-1]:
            self.send(wire.unballoon(chunk, more=True))
        self.send(wire.unballoon(chunks[-1]))
        self.expect(wire.UNBALLOON_RESPONSE, 120)

    def add(self, start: int, count: int, region: wire.Range | None = None) -> tuple[int, ...]:
        """Offer memory; return (pages added, result)."""
        self.send(wire.hot_add(start, count, region))
        return self.expect(wire.HOT_ADD_RESPONSE, 120).words("<II")

    def _read(self):
        with contextlib.suppress(OSError, EOFError):
            while True:
                word, = struct.unpack("<I", self._exactly(4))
                if word & ANSWER:
                    self._answers.put(word & ~ANSWER)
                else:
                    self._note(wire.parse(self._exactly(word)))

    def _note(self, message):
        """Keep a message; numbers rise in the order in which messages are sent."""
        if message.type != wire.VERSION_REQUEST and message.id <= self._number:
            self.disorder.append(f"number {message.id} behind {self._number}")
        self._number = message.id
        self._ledger.received(message)
        if message.type == wire.STATUS_REPORT:
            self.reported.append(time.monotonic())
        self._messages.put(message)

    def _exactly(self, size):
        data = b""
        while len(data) < size:
            more = self._connection.recv(size - len(data))
            if not more:
                raise EOFError
            data += more
        return data

# SPDX-License-Identifier: GPL-2.0-only
"""Run commands in a lab machine, over a virtio-serial port; programs/shell-server.sh serves it."""

import base64
import contextlib
import itertools
import select
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from . import LabError

KILLED = 137  # status of a command that ran into its time limit
ALIVE_CHECK = 3  # seconds between two looks whether the machine still runs
GRACE = 20  # seconds for the answer to arrive after the command's own limit


class MachineSilent(LabError):
    """The machine does not answer any more, or not yet."""


class CommandFailed(LabError):
    """A command in the machine ended with a status other than 0."""


@dataclass(frozen=True)
class Result:
    """What a command returned."""

    status: int
    output: str


class Shell:
    """Requests and answers over a connected socket; see programs/shell-server.sh for the lines."""

    _ids = itertools.count(1)  # never reused: late answers to earlier requests are told apart

    def __init__(self, connection: socket.socket, alive: Callable[[], bool] = lambda: True) -> None:
        self._connection = connection
        self._alive = alive  # asked now and then while an answer is awaited
        self._received = b""
        self.requests = 0   # the last one's number

    def call(self, command: str, limit: float = 30) -> Result:
        """Run a command, return its Result; MachineSilent if no answer comes."""
        request = self.post(command, limit)
        deadline = time.monotonic() + limit + GRACE
        while True:
            fields = self._line(deadline).split()
            if len(fields) >= 2 and fields[0] == str(request).encode():
                return _result(fields)

    def post(self, command: str, limit: float = 30) -> int:
        """Let a command run, and do not wait for its answer; return the request's number."""
        request = self.requests = next(self._ids)
        encoded = base64.b64encode(command.encode()).decode()
        self._send(f"{request} {limit} {encoded}\n".encode())
        return request

    def run(self, command: str, limit: float = 30) -> str:
        """Run a command that must succeed and return its output."""
        result = self.call(command, limit)
        if result.status == KILLED:
            raise CommandFailed(f"not finished within {limit} s: {command}\n{result.output}")
        if result.status:
            raise CommandFailed(f"status {result.status}: {command}\n{result.output}")
        return result.output

    def _send(self, data):
        try:
            self._connection.sendall(data)
        except OSError as error:
            raise MachineSilent(f"the machine is gone: {error}") from None

    def _line(self, deadline):
        while b"\n" not in self._received:
            self._received += self._receive(deadline)
        line, _, self._received = self._received.partition(b"\n")
        return line

    def _receive(self, deadline):
        while not select.select([self._connection], [], [], ALIVE_CHECK)[0]:
            if time.monotonic() > deadline:
                raise MachineSilent("the machine did not answer in time")
            if not self._alive():
                raise MachineSilent("the machine ended")
        try:
            data = self._connection.recv(65536)
        except OSError as error:
            raise MachineSilent(f"the machine is gone: {error}") from None
        if not data:
            raise MachineSilent("the machine closed its shell")
        return data


@contextlib.contextmanager
def connected(path: Path, limit: float = 10) -> Iterator[socket.socket]:
    """A connection, while the block runs, with a Unix socket that a program is about to create.

    QEMU serves one connection at a time. So it is shut down at the end, not only closed: a
    thread that still reads from it would keep it open.
    """
    deadline = time.monotonic() + limit
    while True:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.settimeout(limit)
            connection.connect(str(path))
            break
        except (FileNotFoundError, ConnectionRefusedError, BlockingIOError, TimeoutError):
            connection.close()
            if time.monotonic() > deadline:
                raise LabError(f"nothing answers on {path}") from None
            time.sleep(0.05)
    connection.settimeout(None)
    try:
        yield connection
    finally:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        connection.close()


def _result(fields):
    output = base64.b64decode(fields[2]) if len(fields) > 2 else b""
    return Result(int(fields[1]), output.decode(errors="replace"))

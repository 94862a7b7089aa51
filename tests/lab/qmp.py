# SPDX-License-Identifier: GPL-2.0-only
"""A client of the QEMU monitor protocol: commands with answers, events to listeners."""

import itertools
import json
import queue
import socket
import threading
from collections.abc import Callable
from typing import Any

from . import LabError
from .shell import MachineSilent

LIMIT = 120     # seconds; QEMU is busy while it discards memory


class Monitor:
    """The monitor of one QEMU, on a connected socket."""

    _ids = itertools.count(1)

    def __init__(self, connection: socket.socket, limit: float = LIMIT) -> None:
        self._connection = connection
        self._limit = limit
        self._answers: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._listeners: list[Callable[[dict[str, Any]], None]] = []
        threading.Thread(target=self._read, daemon=True).start()

    def listen(self, listener: Callable[[dict[str, Any]], None]) -> None:
        """Call listener(event) for every event, in the reading thread."""
        self._listeners.append(listener)

    def negotiate(self) -> None:
        """Leave the greeting mode; the first command of every session."""
        self.execute("qmp_capabilities")

    def execute(self, command: str, **arguments: Any) -> Any:
        """Run a command and return its answer."""
        request = next(self._ids)
        message = {"execute": command, "arguments": arguments, "id": request}
        try:
            self._connection.sendall(json.dumps(message).encode() + b"\n")
        except OSError as error:
            raise MachineSilent(f"QEMU is gone: {error}") from None
        return self._wait(request, command)

    def _wait(self, request, command):
        while True:
            try:
                answer = self._answers.get(timeout=self._limit)
            except queue.Empty:
                raise MachineSilent(f"QEMU did not answer {command}") from None
            if answer is None:
                raise MachineSilent("QEMU closed its monitor")
            if answer.get("id") != request:
                continue
            if "error" in answer:
                raise LabError(f"{command}: {answer['error']['desc']}")
            return answer["return"]

    def _read(self):
        with self._connection.makefile("rb") as stream:
            try:
                for line in stream:
                    self._dispatch(line)
            except (OSError, ValueError):
                pass  # the connection was closed under us
        self._answers.put(None)

    def _dispatch(self, line):
        try:
            message = json.loads(line)
        except ValueError:
            return  # the rest of a line of an earlier QEMU on the same port
        if "event" in message:
            for listener in self._listeners:
                listener(message)
        elif "return" in message or "error" in message:
            self._answers.put(message)

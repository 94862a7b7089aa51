# SPDX-License-Identifier: GPL-2.0-only
"""A prompt on the simulated host: lines run in the guest, lines with ! are Python."""

from lab.interactive import Prompt

from . import memory_blocks, wire
from .simulator import Simulator

HELP = """\
COMMAND         run in the guest; a status other than 0 is shown
!EXPRESSION     evaluate or execute Python. Its names: guest (guest.run("free -m"),
                guest.load(), guest.offer(), guest.status(), guest.log()), host
                (host.negotiate(), host.inflate(256), host.deflate(ranges),
                host.add(first, pages)), wire, blocks (memory_blocks.py)
!gdb            the command that lets gdb stop the guest and look at the driver
!quit           end; the guest is stopped"""


class HostPrompt(Prompt):
    """The prompt of a guest of the simulated host."""

    def __init__(self, guest: Simulator) -> None:
        super().__init__(guest)
        self._simulator = guest
        self._names = {"guest": guest, "host": guest.host, "wire": wire, "blocks": memory_blocks}

    def _other(self, line: str) -> object:
        if line in ("", "help"):
            return HELP
        if line == "gdb":
            return self._simulator.debugger()
        try:
            return self._python(line)
        except Exception as error:  # whatever the line does, the guest stays
            return f"{type(error).__name__}: {error}"

    def _python(self, line: str) -> object:
        """Return the value of an expression; nothing of a statement."""
        try:
            code = compile(line, "prompt", "eval")
        except SyntaxError:
            exec(compile(line, "prompt", "exec"), self._names)
            return None
        return eval(code, self._names)

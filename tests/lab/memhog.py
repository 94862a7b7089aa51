# SPDX-License-Identifier: GPL-2.0-only
"""The guest program memhog (programs/memhog.c): a program with a known demand for memory."""

from .guest import Guest

LIMIT = 300  # seconds for one command; touching memory is slow in the nested form
START = """
mkfifo {name}.in
memhog {options} {mib} <>{name}.in >{name}.out 2>&1 &
echo $! >{name}.pid
"""
ANSWER = """
until [ $(wc -l <{name}.out) -gt {lines} ]; do
    kill -0 $(cat {name}.pid) || exit 1
    sleep 0.1
done
tail -n 1 {name}.out
"""

# The memory of a process that is still in the state of a running one is being freed.
END = r"""
pid=$(cat {name}.pid)
kill -9 $pid
while grep -q '^State:\s*[^ZX]' /proc/$pid/status 2>/dev/null; do sleep 0.1; done
rm -f {name}.*
"""


class Memhog:
    """A running memhog; every command returns the program's answer."""

    def __init__(self, guest: Guest, mib: int, options: str = "", name: str = "memhog") -> None:
        self._guest = guest
        self._name = f"/tmp/{name}"
        self._lines = 0
        guest.run(START.format(name=self._name, options=options, mib=mib))
        self.answer()

    def grow(self, mib: int) -> str:
        """Touch that much more."""
        return self._command(f"grow {mib}")

    def leave(self, kib: int) -> str:
        """Touch more until only that much of the machine's memory is free."""
        return self._command(f"leave {kib}")

    def shrink(self, mib: int) -> str:
        """Give the last MiB back."""
        return self._command(f"shrink {mib}")

    def thin(self) -> str:
        """Give pages back, by default every second one."""
        return self._command("thin")

    def drop(self) -> str:
        """Give half of what was read ahead of a file back."""
        return self._command("drop")

    def verify(self) -> int:
        """Check all patterns; return the number of pages that are wrong."""
        return int(self._command("verify").split(",")[1].split()[0])

    def stop(self) -> None:
        """Check all patterns and end the program; raises if a pattern is wrong."""
        assert self.verify() == 0, "memory has lost its contents"
        self.kill()

    def kill(self) -> None:
        """End the program at once; its memory is free then, which takes a slow guest some time."""
        self._guest.run(END.format(name=self._name), LIMIT)

    def begin(self, line: str) -> None:
        """Give a command and do not wait; its answer must be fetched before the next one."""
        self._guest.run(f"echo {line} >{self._name}.in")

    def answered(self) -> bool:
        """Tell whether the last command is done, or the program has ended."""
        return self._guest.call(f"[ $(wc -l <{self._name}.out) -le {self._lines} ] &&"
                                f" kill -0 $(cat {self._name}.pid)").status != 0

    def answer(self) -> str:
        """Return the answer to the last command; raises if the program has ended."""
        answer = self._guest.run(ANSWER.format(name=self._name, lines=self._lines), LIMIT)
        self._lines += 1
        return answer.strip()

    def _command(self, line):
        self.begin(line)
        return self.answer()

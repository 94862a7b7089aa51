# SPDX-License-Identifier: GPL-2.0-only
"""A small host-side policy: how large the guest should be, from what it reports.

The guest reports the memory available to it each second; what it does not have available is its
demand. The policy keeps a buffer above the demand, gives ballooned memory back before it adds
more, adds whole memory blocks only, and stays between minimum and maximum.
"""

from dataclasses import dataclass

BUFFER, BUFFER_MIB = 0.25, 192  # share of the demand to keep free above it, and at least that
LOW, LOW_MIB = 0.15, 128  # a buffer smaller than both is filled up
SLACK_MIB = 64  # less than this is not worth ballooning
BLOCK_MIB = 128  # what the guest can add at once
PATIENCE_REPORTS = 60  # without any change: the guest does no more
FRESH_REPORTS = 4  # to see after a change, before the next: added memory takes time to come online


@dataclass(frozen=True)
class Limits:
    """The three settings of the virtual machine, in MiB."""

    startup: int
    minimum: int
    maximum: int

    @property
    def reachable(self) -> int:
        """Return the largest size that whole blocks make possible."""
        return self.startup + (self.maximum - self.startup) // BLOCK_MIB * BLOCK_MIB


class Policy:
    """Decides for one guest; `given` is the most it ever had."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.given = limits.startup
        self._target = limits.startup
        self._least = limits.minimum  # or what the guest itself kept when asked for more
        self._last = limits.startup
        self._since = 0  # number of the report after which the size has not changed

    @property
    def refused(self) -> bool:
        """Tell whether the guest itself has kept more than the minimum."""
        return self._least > self._limits.minimum

    def settled(self, assigned: int, reports: int) -> bool:
        """Tell whether the last decision is carried out, or given up, and its effect reported."""
        if assigned != self._last:
            self._last, self._since = assigned, reports
            self._least = max(self._limits.minimum, min(self._least, assigned))
        steady = reports - self._since
        if assigned > self._target and steady >= PATIENCE_REPORTS:
            self._least, self._target = assigned, assigned
        return steady >= (FRESH_REPORTS if assigned == self._target else PATIENCE_REPORTS)

    def decide(self, assigned: int, demand: int) -> tuple[int, str] | None:
        """Return (target, what is done), or None if the size is right."""
        wanted = max(self._least, min(_with_buffer(demand), self._limits.reachable))
        if assigned < min(_still_enough(demand), self._limits.reachable):
            return self._more(assigned, wanted)
        if assigned - wanted > SLACK_MIB:
            return self._set(wanted, f"balloons {assigned - wanted} MiB out")
        return None

    def _more(self, assigned, wanted):
        self._least = self._limits.minimum
        if assigned < self.given:
            target = wanted if wanted + BLOCK_MIB < self.given else self.given
            return self._set(target, f"gives {target - assigned} MiB back")
        blocks = -(-(wanted - self.given) // BLOCK_MIB)
        target = min(self.given + blocks * BLOCK_MIB, self._limits.reachable)
        self.given = target
        return self._set(target, f"hot-adds {target - assigned} MiB")

    def _set(self, target, text):
        self._target = target
        return target, text


def memory_status(assigned: int, demand: int) -> str:
    """Return the host's one-word view of the guest, as a host manager shows it."""
    if assigned < demand * 1.02:
        return "Warning"
    return "Low" if assigned < _still_enough(demand) else "OK"


def _with_buffer(demand):
    return (demand + max(int(demand * BUFFER), BUFFER_MIB) + 15) // 16 * 16


def _still_enough(demand):
    return demand + max(int(demand * LOW), LOW_MIB)

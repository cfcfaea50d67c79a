"""Runs a punchgate whose kernel vouches for the clock, on whatever machine: `python vouched.py punchgate run …`."""

from __future__ import annotations

import sys

from gateway import clock
from gateway.commands import main


def _vouch(self: clock.Clock) -> clock.Quality:
    return clock.Quality("synced", "ntp", 1, self.boot)


if __name__ == "__main__":
    clock.Clock._measure = _vouch  # type: ignore[method-assign]
    main(sys.argv[2:])

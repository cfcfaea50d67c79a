"""What is in the daemon's memory stays there: no core dump, and no other program of its user looks in.

Card numbers are there for microseconds, but freed memory keeps them, and the organisation's key is there always.
`LimitCORE=0` does not bind a kernel that hands core dumps to a program (core_pattern `|…`), and a daemon started by
hand has no unit. Root can look all the same.
"""

from __future__ import annotations

import ctypes

PR_SET_DUMPABLE = 4


def keep_memory_private() -> bool:
    """Tell the kernel; False if it refuses, which is no reason not to listen."""
    try:
        return bool(ctypes.CDLL(None, use_errno=True).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0)
    except (OSError, AttributeError):
        return False

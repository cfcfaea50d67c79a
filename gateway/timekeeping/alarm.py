"""The kernel tells when somebody sets the wall clock: timerfd_create(2) with TFD_TIMER_CANCEL_ON_SET.

A timer of CLOCK_REALTIME that is never due. When the clock is set its descriptor becomes readable, and read(2) fails
with ECANCELED; until then it costs nothing. Python offers it from 3.13 on, ctypes always.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import time

TFD_TIMER_ABSTIME, TFD_TIMER_CANCEL_ON_SET = 1, 2
NEVER_S = 2**62
COUNT_BYTES = 8


class _Timespec(ctypes.Structure):
    _fields_ = [("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long)]


class _Setting(ctypes.Structure):
    _fields_ = [("interval", _Timespec), ("due", _Timespec)]


def open_alarm() -> int | None:
    """A descriptor that becomes readable whenever the wall clock is set; None where the kernel has no such thing."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = int(libc.timerfd_create(time.CLOCK_REALTIME, os.O_NONBLOCK | os.O_CLOEXEC))
    if descriptor < 0:
        return None
    never = _Setting(due=_Timespec(NEVER_S, 0))
    if libc.timerfd_settime(descriptor, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, ctypes.byref(never), None):
        os.close(descriptor)
        return None
    return descriptor


def acknowledge(descriptor: int) -> None:
    """Make it wait for the next time."""
    with contextlib.suppress(OSError):  # ECANCELED is the message
        os.read(descriptor, COUNT_BYTES)

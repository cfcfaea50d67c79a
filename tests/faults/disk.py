"""What goes wrong with the gateway's disk: full, read-only, slow, or one that fails at a chosen system call."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from .plan import STRACE_SYNCS
from .stage import Stage

RECOVER_S = 12.0
TRACE_S = 30.0
REFUSALS = ("ENOSPC", "EIO", "EROFS")

Mend = Callable[[], None]


def sync(stage: Stage, what: str, value: float) -> Mend:
    """A new start of the gateway whose Nth fdatasync ends so; the first ones often, they belong to the start."""
    nth = 1 + int(STRACE_SYNCS * value**2)
    stage.kill_gateway()
    stage.start_gateway(("strace", "-D", *_injecting("fdatasync", f"{what}:when={nth}")))

    def mend() -> None:
        """Nobody traces it any longer: each of its system calls stands still for that, and it holds what it reads."""
        if stage.gateway is not None:
            _let_go(stage.gateway.pid)
        stage.is_traced = False
        _recover(stage)

    return mend


def refuse(stage: Stage, value: float) -> Mend:
    """The disk of the running gateway takes nothing that is written."""
    return _meddle(stage, "pwrite64", f"error={REFUSALS[int(value * len(REFUSALS))]}")


def slow(stage: Stage, value: float) -> Mend:
    """Each sync takes so long."""
    return _meddle(stage, "fdatasync", f"delay_enter={int(20_000 + 200_000 * value)}")


def fill(stage: Stage, _: float) -> Mend:
    ballast = stage.site.state_dir / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))

    def mend() -> None:
        ballast.unlink()
        _recover(stage)

    return mend


def read_only(stage: Stage, _: float) -> Mend:
    """The box starts with a disk that it may only read: no daemon lasts there, and each is started again."""
    stage.kill_gateway()
    _remount(stage, "ro")
    stage.start_gateway()

    def mend() -> None:
        _remount(stage, "rw")
        _recover(stage)

    return mend


def _meddle(stage: Stage, call: str, how: str) -> Mend:
    """With this system call of the gateway as it runs; one that has just ended is not there to be hurt."""
    if stage.gateway is None or not stage.gateway.running:
        return lambda: None
    pid = stage.gateway.pid
    _let_go(pid)
    strace = subprocess.Popen(["strace", *_injecting(call, how), "-p", str(pid)], stderr=subprocess.DEVNULL)
    _until(lambda: _tracer(pid) == strace.pid or strace.poll() is not None, "attaching")

    def mend() -> None:
        strace.terminate()
        strace.wait()
        _recover(stage)

    return mend


def _injecting(call: str, how: str) -> list[str]:
    return ["-f", "-qq", "-I2", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:{how}"]


def _let_go(pid: int) -> None:
    """Whoever traces this process stops doing so; the process goes on."""
    while tracer := _tracer(pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(tracer, signal.SIGTERM)
        _until(lambda tracer=tracer: _tracer(pid) != tracer, "letting go")


def _tracer(pid: int) -> int:
    """Who traces a process; 0: nobody, or it is gone."""
    with contextlib.suppress(OSError):
        found = re.search(r"^TracerPid:\t(\d+)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
        return int(found[1]) if found else 0
    return 0


def _remount(stage: Stage, mode: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{mode}", stage.site.state_dir], check=True)


def _recover(stage: Stage) -> None:
    """Until the journal takes records again: a kill in the middle of its trouble is another story than a kill."""

    def well() -> bool:
        stage.mind()
        with contextlib.suppress(LookupError):
            return stage.site.status()["journal"]["trouble"] is None
        return False

    _until(well, "the journal's recovery", RECOVER_S)


def _until(holds: Callable[[], bool], what: str, within_s: float = TRACE_S) -> None:
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, f"{what} takes more than {within_s} s"
        time.sleep(0.02)

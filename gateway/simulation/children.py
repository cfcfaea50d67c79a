"""Child processes that cannot outlive us.

Each runs in its own process group, so that Ctrl-C reaches the demo alone and the demo ends its children in order;
and the kernel kills them if the demo itself is killed (PR_SET_PDEATHSIG). What they say goes into a file, whose tail
is shown when one of them dies.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from gateway.errors import Unavailable

PR_SET_PDEATHSIG = 1
PYTHON = (sys.executable, "-P")
"""This interpreter, without the working directory on its path: a folder there must not shadow a package."""

_libc = ctypes.CDLL(None)


def _die_with_parent() -> None:
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


@contextmanager
def endings_as_interrupt() -> Iterator[None]:
    """Within, SIGTERM and a terminal that goes away end the program as Ctrl-C does: tidily. Main thread only."""

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:  # nohup
            signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _surroundings(env: Mapping[str, str] | None) -> dict[str, str]:
    """These, or ours, in which an interpreter finds what we find: a package's launcher has made our path itself."""
    path = os.pathsep.join(place for place in sys.path if place)
    return {**(os.environ if env is None else env), "PYTHONPATH": path}


class Child:
    """A program with a name, started and stopped any number of times; its output goes to `log`; `env` None: ours."""

    def __init__(self, name: str, argv: Sequence[str], log: Path, env: Mapping[str, str] | None = None) -> None:
        self.name = name
        self.argv = list(argv)
        self.log = log
        self._env = env
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    def start(self) -> None:
        """Start the program. Unavailable: it cannot be executed."""
        with self.log.open("ab") as output:
            try:
                self._process = subprocess.Popen(
                    self.argv,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=_surroundings(self._env),
                    process_group=0,
                    preexec_fn=_die_with_parent,  # noqa: PLW1509 - one prctl, no lock, nothing of Python's
                )
            except OSError as error:
                raise Unavailable(f"{self.name} does not start: {error}") from error

    def require_running(self) -> None:
        """Unavailable, with the end of its log, if the program has died."""
        if not self.running:
            raise Unavailable(f"{self.name} has ended (exit {self.exit_code}); the end of its log:\n{self.tail()}")

    @property
    def exit_code(self) -> int | None:
        return self._process.poll() if self._process is not None else None

    def stop(self, within_s: float = 6.0) -> int | None:
        """SIGTERM, then SIGKILL; the exit code, None if it was never started."""
        return self._end(signal.SIGTERM, within_s)

    def kill(self) -> int | None:
        """SIGKILL at once."""
        return self._end(signal.SIGKILL, 5.0)

    def _end(self, how: signal.Signals, within_s: float) -> int | None:
        if self._process is None:
            return None
        if self._process.poll() is None:
            self._process.send_signal(how)
            try:
                self._process.wait(within_s)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        return self._process.returncode

    def tail(self, lines: int = 15) -> str:
        """The end of its log, indented."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(f"    {line}" for line in text.splitlines()[-lines:]) or "    (it said nothing)"

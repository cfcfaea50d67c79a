"""punchgate's commands without the price of a start: an interpreter that has imported them all is forked for each.

The fork is a process of its own, with its own files, directory, exit code and end; what it runs is the entry point.
What an interpreter reads when it starts (PYTHON…, LD_PRELOAD) it cannot have: start those in the ordinary way.
"""

from __future__ import annotations

import array
import atexit
import functools
import importlib
import json
import os
import pkgutil
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO, NoReturn

LENGTH = struct.Struct(">I")
BEFOREHAND = ("config", "drivers", "gateway.commands", "gateway.journal", "traceability", "traceability.database")
"""Packages whose modules are all imported, with what these import."""


class Forked:
    """A command that was forked, as subprocess.Popen shows a process."""

    def __init__(self, args: list[str], answer: socket.socket) -> None:
        self.args, self._answer = args, answer
        self.pid = _number(answer)
        self.returncode: int | None = None

    def poll(self) -> int | None:
        try:
            return self.wait(0.0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            if not select.select([self._answer], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
            self.returncode = _number(self._answer)
            self._answer.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Warm:
    """Runs commands; one interpreter for all of them, until `close` or the end of this process."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-c", "import warm; warm.serve()", str(theirs.fileno())]
        env = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
        self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()], env=env)
        theirs.close()
        self._socket, self._turn = ours, threading.Lock()

    def run(self, arguments: Sequence[str], timeout_s: float = 120.0) -> subprocess.CompletedProcess[bytes]:
        """One command to its end, with our environment and directory. TimeoutExpired: it was killed."""
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            forked = self.start(arguments, out, err)
            try:
                code = forked.wait(timeout_s)
            except subprocess.TimeoutExpired:
                forked.kill()
                forked.wait()
                raise
            said = []
            for file in (out, err):
                file.seek(0)
                said.append(file.read())
        return subprocess.CompletedProcess(forked.args, code, *said)

    def start(self, arguments: Sequence[str], out: IO[bytes], err: IO[bytes]) -> Forked:
        """Begin a command, with our environment and directory."""
        data = json.dumps({"argv": list(arguments), "env": dict(os.environ), "cwd": str(Path.cwd())}).encode()
        answer, given = socket.socketpair()
        with given, self._turn:
            handles = array.array("i", [out.fileno(), err.fileno(), given.fileno()])
            self._socket.sendmsg([LENGTH.pack(len(data))], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, handles)])
            self._socket.sendall(data)
        return Forked(["punchgate", *arguments], answer)

    def close(self) -> None:
        self._socket.close()
        self._process.wait()


def can_fork() -> bool:
    """Whether nothing is asked for that only a fresh interpreter can have."""
    return "LD_PRELOAD" not in os.environ


@functools.cache
def warm() -> Warm:
    """The one of this process."""
    made = Warm()
    atexit.register(made.close)
    return made


def serve() -> NoReturn:
    """In the interpreter that is forked: one request after the other until the socket is closed."""
    for package in map(importlib.import_module, BEFOREHAND):
        for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            importlib.import_module(found.name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    asked = socket.socket(fileno=int(sys.argv[1]))
    while True:
        head, ancillary, _, _ = asked.recvmsg(LENGTH.size, socket.CMSG_SPACE(3 * 4))
        if not head:
            os._exit(0)
        handles = array.array("i", ancillary[0][2])
        words = json.loads(_exactly(asked, LENGTH.unpack(head)[0]))
        if not os.fork():
            asked.close()
            _keep(words, *handles)
        for handle in handles:
            os.close(handle)


def _keep(words: dict[str, object], out: int, err: int, answer: int) -> NoReturn:
    """Fork the command, say its number, wait for its end, say its exit code."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = os.fork()
    if not pid:
        os.close(answer)
        _become(words, out, err)
    os.write(answer, LENGTH.pack(pid))
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.write(answer, LENGTH.pack(code & 0xFFFFFFFF))
    os._exit(0)


def _become(words: dict[str, object], out: int, err: int) -> NoReturn:
    """Be the command, from entry point to exit code."""
    from gateway.commands import main

    code = 1
    try:
        with Path(os.devnull).open("rb") as nothing:
            for source, target in ((nothing.fileno(), 0), (out, 1), (err, 2)):
                os.dup2(source, target)
        os.environ.clear()
        os.environ.update(words["env"])  # type: ignore[call-overload]
        os.chdir(str(words["cwd"]))
        sys.argv = ["punchgate", *words["argv"]]  # type: ignore[misc]
        main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _number(source: socket.socket) -> int:
    number: int = struct.unpack(">i", _exactly(source, LENGTH.size))[0]
    return number


def _exactly(source: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        if not (part := source.recv(count - len(data))):
            raise EOFError("the other side has gone")
        data += part
    return data

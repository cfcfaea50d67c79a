"""A simulated device with a network plug: the daemon connects to it, one host at a time, as such devices have it."""

from __future__ import annotations

import contextlib
import socket

HOST = "127.0.0.1"


class TcpWire:
    """The device's end. A host that comes while another is there takes its place."""

    def __init__(self, port: int = 0) -> None:
        """Listen on the loopback address; 0 picks a free port. Raises OSError."""
        self._server = socket.create_server((HOST, port))
        self._server.setblocking(False)
        self._peer: socket.socket | None = None

    @property
    def path(self) -> str:
        """What the daemon opens."""
        return f"socket://{HOST}:{self._server.getsockname()[1]}"

    def write(self, data: bytes) -> bool:
        """Send; False if no host is there, or it does not read."""
        if self._peer is None:
            return False
        try:
            self._peer.sendall(data)
        except OSError:
            self.hang_up()
            return False
        return True

    def received(self) -> bytes:
        """What the host has sent since the last call."""
        self._accept()
        if self._peer is None:
            return b""
        try:
            data = self._peer.recv(65536)
        except BlockingIOError:
            return b""
        except OSError:
            data = b""
        if not data:
            self.hang_up()
        return data

    def hang_up(self) -> None:
        """Cut the connection; the next one may come."""
        if self._peer is not None:
            self._peer.close()
            self._peer = None

    def close(self) -> None:
        """Pull the plug."""
        self.hang_up()
        self._server.close()

    def unread(self) -> int:
        """Nothing can be known of what the host has not read."""
        return 0

    def __enter__(self) -> TcpWire:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _accept(self) -> None:
        with contextlib.suppress(BlockingIOError):
            peer, _ = self._server.accept()
            self.hang_up()
            peer.settimeout(0.0)
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._peer = peer

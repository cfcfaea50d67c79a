"""What people and supervisors look at."""

from gateway.status.notify import notify
from gateway.status.socket import StatusServer, ask

__all__ = ["StatusServer", "ask", "notify"]

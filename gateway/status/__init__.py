"""What people and supervisors look at."""

from gateway.status.monitor import Monitor
from gateway.status.notify import notify, notify_copying
from gateway.status.socket import StatusServer, ask
from gateway.status.watchdog import Watchdog

__all__ = ["Monitor", "StatusServer", "Watchdog", "ask", "notify", "notify_copying"]

"""What may be asked of the running daemon: by a person on this box, and, signed and once, by the centre."""

from gateway.control.deeds import Deeds
from gateway.control.desk import Desk
from gateway.control.once import Once
from gateway.control.remote import Remote
from gateway.control.requests import DropRefused, Request, Resend, RetryRefused
from gateway.control.socket import ControlServer, ask_daemon

__all__ = [
    "ControlServer",
    "Deeds",
    "Desk",
    "DropRefused",
    "Once",
    "Remote",
    "Request",
    "Resend",
    "RetryRefused",
    "ask_daemon",
]

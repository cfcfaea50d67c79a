"""What a person may ask of the running daemon: to send records again, to decide about refused ones."""

from gateway.control.desk import Desk
from gateway.control.requests import DropRefused, Request, Resend, RetryRefused
from gateway.control.socket import ControlServer, ask_daemon

__all__ = ["ControlServer", "Desk", "DropRefused", "Request", "Resend", "RetryRefused", "ask_daemon"]

"""The station that listens: one owner per serial port, bytes in, events out."""

from gateway.port.health import Health
from gateway.port.line import Line
from gateway.port.rules import LineListener, LineRules, Way
from gateway.port.serial_port import PortInfo, PortSettings, holder, list_ports

__all__ = [
    "Health",
    "Line",
    "LineListener",
    "LineRules",
    "PortInfo",
    "PortSettings",
    "Way",
    "holder",
    "list_ports",
]

"""What lets the centre date a record that was read while the wall clock was wrong."""

from gateway.timekeeping.anchors import Timekeeping

__all__ = ["Timekeeping"]

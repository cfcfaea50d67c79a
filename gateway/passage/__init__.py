"""The passage station: what devices say becomes facts, and facts become punches. See `table` for the theory."""

from gateway.passage.recovery import OpenRead
from gateway.passage.rules import DeviceRules, LaneRules, Privacy
from gateway.passage.station import Passage

__all__ = ["DeviceRules", "LaneRules", "OpenRead", "Passage", "Privacy"]

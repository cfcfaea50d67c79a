"""`punchgate muster`: see `roster`."""

from gateway.commands.roster import muster_command as command

__all__ = ["command"]

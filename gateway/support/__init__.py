"""What helps somebody far away to help: facts about this box and its gateway, with nothing of any person in them.

Every part is asked for on its own, so that whatever is broken takes no other part with it, and all of it passes the
same scrubber before it is written.
"""

from gateway.support.bundle import Bundle, collect, pack

__all__ = ["Bundle", "collect", "pack"]

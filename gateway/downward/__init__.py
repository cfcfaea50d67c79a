"""What the centre sends down beside receipts, in words both ends share: commands, answers, directory documents.

Every message is JSON with `sig` over its other members, names what it is (`punchgate`) and for which gateway it is,
so that none can be taken for another, or for another's. Sizes, depth and numbers of entries are bounded.
"""

from gateway.downward.bounded import MAX_DEPTH, bounded
from gateway.downward.orders import (
    ADDRESS,
    MAX_COMMAND_BYTES,
    MAX_LIFE_S,
    Command,
    Reply,
    read_command,
    read_reply,
)

__all__ = [
    "ADDRESS",
    "MAX_COMMAND_BYTES",
    "MAX_DEPTH",
    "MAX_LIFE_S",
    "Command",
    "Reply",
    "bounded",
    "read_command",
    "read_reply",
]

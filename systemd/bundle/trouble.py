"""What a person can mend: one message, no traceback."""


class Trouble(Exception):
    """The package cannot be built; the message says why and, where known, what to do."""

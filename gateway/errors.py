"""Errors are named by the reaction they ask for; anything else is a bug and ends the process (exit 70)."""

from __future__ import annotations

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_UNAVAILABLE = 69
EXIT_BUG = 70
EXIT_JOURNAL = 74
EXIT_AGAIN = 75
EXIT_CONFIG = 78


class PunchgateError(Exception):
    """Carries one readable sentence and, where somebody can mend it, the remedy."""

    exit_code = EXIT_FAILED

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}; {self.remedy}" if self.remedy else self.message


class Transient(PunchgateError):
    """Try again after a back-off: the broker is down, the port is missing."""

    exit_code = EXIT_AGAIN


class Rejected(PunchgateError):
    """This one message or record is wrong: count it, set it aside, go on."""


class Misconfigured(PunchgateError):
    """Only a person can mend it: exit 78, systemd does not restart."""

    exit_code = EXIT_CONFIG


class Unavailable(PunchgateError):
    """What was asked is not there now: no daemon is running, nobody answers."""

    exit_code = EXIT_UNAVAILABLE


class NotDurable(PunchgateError):
    """The journal cannot keep what it is given: stop reading and say so loudly."""

    exit_code = EXIT_JOURNAL

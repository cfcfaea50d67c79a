"""A command from the centre, and the gateway's one answer to it.

A command is for one gateway, once, and not for ever: it names the gateway, an id that is never used again, and when
it was made and ends. There is no command that opens, releases or changes a door: the list below is all there is.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from gateway.errors import Rejected

MAX_COMMAND_BYTES = 4096
MAX_LIFE_S = 3600.0
ADDRESS = r"^[a-z0-9-]{1,32}/[a-z0-9-]{1,32}$"


def _instant(text: str) -> str:
    """RFC 3339 with a zone."""
    if len(text) > 40 or datetime.fromisoformat(text).tzinfo is None:
        raise ValueError("must be an instant with its zone, such as 2026-11-23T08:00:00Z")
    return text


Instant = Annotated[str, AfterValidator(_instant)]
Seq = Annotated[int, Field(strict=True, ge=1, lt=2**63)]


class Message(BaseModel):
    """Members that are not known are refused: whoever sent them meant something by them."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Span(Message):
    """Records, both ends included."""

    first: Seq
    last: Seq


class Command(Message):
    """`gateway` is site/gateway; `args` are of `resend` alone."""

    punchgate: Literal["command"] = "command"
    gateway: str = Field(pattern=ADDRESS)
    id: str = Field(pattern=r"^[0-9a-f]{16,64}$")
    issued: Instant
    expires: Instant
    command: Literal["ping", "status", "check", "reload", "resend"]
    args: Span | None = None
    sig: str = ""

    @model_validator(mode="after")
    def _fits(self) -> Command:
        if (self.command == "resend") != (self.args is not None):
            raise ValueError("resend has args, no other command has")
        if not 0 < self.expires_s - self.issued_s <= MAX_LIFE_S:
            raise ValueError(f"must live for more than 0 s and at most {MAX_LIFE_S:.0f} s")
        return self

    @property
    def issued_s(self) -> float:
        """Unix time in s."""
        return datetime.fromisoformat(self.issued).timestamp()

    @property
    def expires_s(self) -> float:
        """Unix time in s."""
        return datetime.fromisoformat(self.expires).timestamp()


class Reply(BaseModel):
    """`done` with what there is to say, `failed` or `refused` with the reason."""

    model_config = ConfigDict(extra="allow", frozen=True)

    punchgate: Literal["reply"] = "reply"
    gateway: str = Field(pattern=ADDRESS)
    id: str = Field(pattern=r"^[0-9a-f]{16,64}$")
    command: str = Field(max_length=64)
    result: Literal["done", "failed", "refused"]
    time: Instant
    reason: str | None = Field(default=None, max_length=2000)
    answer: dict[str, Any] | None = None


def read_command(payload: bytes) -> Command:
    """Parse a command; its bytes are bounded already. Raises Rejected with the first thing that is wrong."""
    try:
        return Command.model_validate_json(payload)
    except ValidationError as error:
        raise Rejected(f"command: {first_flaw(error)}") from error


def read_reply(payload: bytes) -> Reply:
    """Parse an answer. Raises Rejected with the first thing that is wrong."""
    try:
        return Reply.model_validate_json(payload)
    except ValidationError as error:
        raise Rejected(f"reply: {first_flaw(error)}") from error


def first_flaw(error: ValidationError) -> str:
    """Where, and what; never what was there: it may be a person's."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or "message"
    return f"{where}: {first['msg']}"

"""The directory documents: which tokens there are, which are watched for, which visits are expected.

The edge knows tokens; a person is a pseudonymous id that means something at the centre only. Each document is whole:
a newer `version` takes the place of the older one, and an older one is never taken back.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from gateway.downward.orders import ADDRESS, Instant, first_flaw
from gateway.errors import Rejected

MAX_DOCUMENT_BYTES = 2 * 1024 * 1024
MAX_ENTRIES = 20_000

Token = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,32}:[0-9a-f]{32}$")]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
Word = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,32}$")]
Window = tuple[int | None, int | None]
"""From and until, unix time in ms, half open; None: no bound."""


class Valid(BaseModel):
    """From `from` until before `to`; null or absent: without a bound."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_by_name=False)

    since: Instant | None = Field(default=None, alias="from")
    until: Instant | None = Field(default=None, alias="to")

    @model_validator(mode="after")
    def _goes_forward(self) -> Self:
        since, until = self.window()
        if since is not None and until is not None and since >= until:
            raise ValueError("from must be before to")
        return self

    def window(self) -> Window:
        """In ms."""
        return _ms(self.since), _ms(self.until)


class KnownToken(Valid):
    """A token of the organisation, whose it is, and of what kind: a word of the organisation's own."""

    token: Token
    person: Name
    kind: Word = "person"


class WatchList(Valid):
    """Tokens somebody wants to hear of."""

    list: Name
    tokens: tuple[Token, ...] = Field(max_length=MAX_ENTRIES)


class Visit(Valid):
    """A visitor's token, and when he is expected."""

    visit: Name
    token: Token


class Document(BaseModel):
    """What all three have in common. `gateway`: for whom; `version`: rises with each."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    gateway: str = Field(pattern=ADDRESS)
    version: Annotated[int, Field(strict=True, ge=1, lt=2**53)]
    issued: Instant
    sig: str = ""


class Tokens(Document):
    """Of the topic `directory/tokens`."""

    punchgate: Literal["directory/tokens"] = "directory/tokens"
    tokens: tuple[KnownToken, ...] = Field(max_length=MAX_ENTRIES)

    def count(self) -> int:
        return len(self.tokens)


class Lists(Document):
    """Of the topic `directory/lists`."""

    punchgate: Literal["directory/lists"] = "directory/lists"
    lists: tuple[WatchList, ...] = Field(max_length=1000)

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.count() > MAX_ENTRIES:
            raise ValueError(f"at most {MAX_ENTRIES} tokens in all lists together")
        return self

    def count(self) -> int:
        return sum(len(one.tokens) for one in self.lists)


class Visits(Document):
    """Of the topic `directory/visits`."""

    punchgate: Literal["directory/visits"] = "directory/visits"
    visits: tuple[Visit, ...] = Field(max_length=MAX_ENTRIES)

    def count(self) -> int:
        return len(self.visits)


AnyDocument = Tokens | Lists | Visits
LEAVES = ("directory/tokens", "directory/lists", "directory/visits")

_DOCUMENT: TypeAdapter[AnyDocument] = TypeAdapter(Annotated[AnyDocument, Field(discriminator="punchgate")])


def read_document(payload: bytes | str) -> AnyDocument:
    """Parse one; its bytes are bounded already. Raises Rejected with the first thing that is wrong, and where."""
    try:
        return _DOCUMENT.validate_json(payload)
    except ValidationError as error:
        raise Rejected(f"directory: {first_flaw(error)}") from error


def _ms(text: str | None) -> int | None:
    return None if text is None else round(datetime.fromisoformat(text).timestamp() * 1000)

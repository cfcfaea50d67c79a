"""What can be asked: one JSON object, named by `request`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from gateway.errors import Rejected

Seq = Annotated[int, Field(strict=True, ge=1, lt=2**63)]


class Asked(BaseModel):
    """Members that are not known are refused: whoever sent them meant something by them."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Resend(Asked):
    """Send records `first` to `last` once more, on `replay`."""

    request: Literal["resend"] = "resend"
    first: Seq
    last: Seq


class RetryRefused(Asked):
    """Send a record from quarantine once more."""

    request: Literal["quarantine.retry"] = "quarantine.retry"
    seq: Seq


class DropRefused(Asked):
    """Give a record in quarantine up: it is declared lost."""

    request: Literal["quarantine.drop"] = "quarantine.drop"
    seq: Seq


Request = Resend | RetryRefused | DropRefused
_REQUEST: TypeAdapter[Request] = TypeAdapter(Annotated[Request, Field(discriminator="request")])


def read_request(row: bytes) -> Request:
    """Parse one request. Raises Rejected with the first thing that is wrong."""
    try:
        return _REQUEST.validate_json(row)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "request"
        raise Rejected(f"{where}: {first['msg']}") from error

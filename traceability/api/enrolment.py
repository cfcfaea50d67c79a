"""Enrolment over HTTP: the authority's certificate, a first certificate by one-time code, the next by the last.

The papers are those that are carried as files (gateway/identity/papers.py): a request goes in as text, an answer
comes out. Nothing of a code or a key is logged.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from gateway.errors import NotDurable, PunchgateError, Rejected
from gateway.identity import papers
from traceability.api.application import Refusal
from traceability.api.patience import Patience
from traceability.authority.desk import Desk, Often, Outsider, Taken
from traceability.authority.invitations import Expired, Used, Wrong

WORDS: dict[type[Rejected], tuple[int, str]] = {
    Wrong: (403, "wrong-code"),
    Expired: (410, "expired-code"),
    Used: (409, "used-code"),
    Taken: (409, "name-taken"),
    Outsider: (403, "not-a-member"),
}


class Claim(BaseModel):
    """A box's request beside what shows that it may ask."""

    code: str = Field(max_length=64, description="The one-time code without its last 17 letters, no dashes.")
    request: str = Field(max_length=papers.MAX_BYTES, description="The line of a request's file.")


class Next(BaseModel):
    """A box's request for its next certificate."""

    renewal: str = Field(max_length=papers.MAX_BYTES, description="A punchgate.enrolment-renewal.v1.")


def enrolment(desk: Desk, patience: Patience) -> APIRouter:
    """The routes below /enrolment."""
    router = APIRouter(prefix="/enrolment", tags=["enrolment"])
    log = structlog.get_logger("traceability")

    @router.get("/authority", summary="The authority's certificate (PEM)", response_class=Response)
    def authority() -> Response:
        with _told():
            return Response(desk.ca(), media_type="application/x-pem-file")

    @router.post("/claim", summary="A first certificate, by one-time code", response_class=Response)
    def claim(body: Claim, http: Request) -> Response:
        with _told(), _patiently(patience, http):
            request = papers.Request.read(body.request.encode())
            answer = desk.claim(body.code, request)
            log.info("enrolment.done", gateway=request.gateway, by="code", address=_address(http))
            return _paper(answer)

    @router.post("/renewal", summary="The next certificate, by the last one", response_class=Response)
    def renewal(body: Next, http: Request) -> Response:
        with _told(), _patiently(patience, http):
            answer = desk.renew(papers.Renewal.read(body.renewal.encode()))
            log.info("enrolment.done", gateway=answer.gateway, by="certificate", address=_address(http))
            return _paper(answer)

    return router


def _paper(answer: papers.Answer) -> Response:
    return Response(answer.bytes(), media_type="application/json", headers={"Cache-Control": "no-store"})


def _address(http: Request) -> str:
    return http.client.host if http.client else "?"


@contextmanager
def _patiently(patience: Patience, http: Request) -> Iterator[None]:
    """Who is refused too often has to wait, whatever he asks."""
    address = _address(http)
    wait_s = patience.wait_s(address)
    if wait_s:
        raise Refusal(429, "too-many", "too many attempts from this address", f"try again in {wait_s} s", wait_s)
    try:
        yield
    except Often:
        raise
    except Rejected as error:
        patience.refused(address)
        structlog.get_logger("traceability").warning("enrolment.refused", reason=error.message, address=address)
        raise


@contextmanager
def _told() -> Iterator[None]:
    """Our errors as answers."""
    try:
        yield
    except Often as error:
        raise Refusal(429, "too-often", error.message, error.remedy, error.wait_s) from error
    except Rejected as error:
        status, word = WORDS.get(type(error), (422, "refused"))
        raise Refusal(status, word, error.message, error.remedy) from error
    except NotDurable as error:
        raise Refusal(503, "not-durable", "the centre cannot keep what it would issue", "see its disk", 60) from error
    except PunchgateError as error:
        structlog.get_logger("traceability").error("enrolment.trouble", reason=str(error))
        raise Refusal(503, "out-of-order", "the centre cannot issue certificates now", "see its log", 60) from error

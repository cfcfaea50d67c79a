"""The application: health, a description of itself (OpenAPI), and the routers it is given.

Answers that are no success are JSON: {"error": a word for programs, "message": a sentence, "remedy": what mends it}.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from traceability.api.bounds import Bounded

MAX_BODY_BYTES = 128 * 1024
MAX_SHOWN = 80
SEE = "see /openapi.json"


class Refusal(Exception):
    """An answer that is no success: HTTP status, word, sentence, remedy, and seconds to wait where that helps."""

    def __init__(self, status: int, error: str, message: str, remedy: str = "", wait_s: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.error = error
        self.message = message
        self.remedy = remedy
        self.wait_s = wait_s


def create_app(routers: Iterable[APIRouter] = (), health: Mapping[str, str] | None = None) -> FastAPI:
    """The application with these routers; `health` is told with every `GET /healthz`."""
    app = FastAPI(title="punchgate centre", docs_url=None, redoc_url=None, openapi_url="/openapi.json")
    app.add_middleware(Bounded, max_bytes=MAX_BODY_BYTES)
    told = {"status": "ok", **(health or {})}

    @app.get("/healthz", summary="Whether the service is up")
    def healthz() -> dict[str, str]:
        return told

    @app.exception_handler(Refusal)
    def refused(_: Request, refusal: Refusal) -> JSONResponse:
        headers = {"Retry-After": str(refusal.wait_s)} if refusal.wait_s is not None else None
        return _problem(refusal.status, refusal.error, refusal.message, refusal.remedy, headers)

    @app.exception_handler(RequestValidationError)
    def malformed(_: Request, error: RequestValidationError) -> JSONResponse:
        places = {tuple(one["loc"]) for one in error.errors()}
        inmost = [one for one in error.errors() if not any(_is_within(each, one["loc"]) for each in places)]
        wrong, remedies = sorted({_wrong(one) for one in inmost}), sorted({_remedy(one) for one in inmost})
        return _problem(422, "malformed", f"not as described: {', '.join(wrong)}", "; ".join(remedies), None)

    @app.exception_handler(404)
    def nowhere(request: Request, _: Exception) -> JSONResponse:
        return _problem(404, "not-found", f"nothing is at {_short(request.url.path)}", SEE, None)

    @app.exception_handler(405)
    def otherwise(request: Request, _: Exception) -> JSONResponse:
        return _problem(405, "method-not-allowed", f"not by {_short(request.method)}", SEE, None)

    for router in routers:
        app.include_router(router)
    return app


def _is_within(place: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    return len(place) > len(other) and place[: len(other)] == tuple(other)


def _wrong(one: Any) -> str:
    """Where it is and, in an address, what it says; never what a body says, which may be a code."""
    place = ".".join(str(part) for part in one["loc"])
    if one["loc"][0] not in {"query", "path"} or one["type"] == "missing":
        return place
    return f"{place} = {_short(str(one['input']))}"


def _remedy(one: Any) -> str:
    if one["loc"][0] not in {"query", "path"}:
        return SEE
    return f"{one['loc'][1]}: {one['msg'].removeprefix('Value error, ').lower()}"


def _short(text: str) -> str:
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"


def _problem(status: int, error: str, message: str, remedy: str, headers: dict[str, str] | None) -> JSONResponse:
    return JSONResponse({"error": error, "message": message, "remedy": remedy}, status, headers)

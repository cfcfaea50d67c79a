"""Over HTTP, what the ledger says of itself: what is here and missing, and whether the hash chain holds.

Both look at the ledger as it is now; they have no earlier moment of knowledge.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from traceability import coverage, verify
from traceability.api.application import Refusal
from traceability.api.parameters import Site, ms
from traceability.api.unavailable import told
from traceability.database import Database
from traceability.export import Wanted

Gateway = Annotated[str | None, Query(pattern=r"^[a-z0-9-]{1,32}$")]
Epoch = Annotated[str | None, Query(pattern=r"^[0-9a-f]{16}$")]
Seq = Annotated[int, Query(ge=1, lt=2**53, description="The first number of each epoch.")]
LastSeq = Annotated[int | None, Query(ge=1, lt=2**53, description="The last one; without it all.")]


@dataclass(frozen=True, slots=True)
class Chains:
    """Each epoch that was checked. `holds`: there was something to check, and in each of them nothing is wrong, and
    nothing of what was asked for missing.
    """

    holds: bool
    checked: list[verify.Checked]


def audits(database: Database) -> APIRouter:
    """The routes; whoever includes them says who may ask."""
    router = APIRouter()

    @router.get("/coverage", responses=_gives(coverage.Report), summary="What is here of each gateway, and missing")
    def of_coverage() -> JSONResponse:
        with told():
            return JSONResponse(coverage.survey(database, ms(None)).as_dict())

    @router.get("/sites/{site}/chain", responses=_gives(Chains), summary="Whether lines are what they were")
    def of_chain(
        site: Site, gateway: Gateway = None, epoch: Epoch = None, since_seq: Seq = 1, upto_seq: LastSeq = None
    ) -> JSONResponse:
        if upto_seq is not None and upto_seq < since_seq:
            words = f"query.upto_seq = {upto_seq} is before since_seq = {since_seq}"
            raise Refusal(422, "malformed", words, "upto_seq is not before since_seq")
        with told():
            checked = list(verify.verify(database, Wanted(site, gateway, epoch, since_seq), upto_seq))
            return JSONResponse(asdict(Chains(bool(checked) and all(each.holds for each in checked), checked)))

    return router


def _gives(answer: type) -> dict[int | str, dict[str, Any]]:
    return {200: {"model": answer}}

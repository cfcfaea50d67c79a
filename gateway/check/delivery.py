"""Do records arrive? What the running daemon says of itself and of the way to the centre."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.check.case import Case
from gateway.check.finding import Finding

PATIENT_MS = 60_000


def daemon(case: Case) -> Iterator[Finding]:
    """Does it run, and can it keep what it hears?"""
    if case.daemon is None:
        where = case.settings.gateway.state_dir
        why = "what only it can know is not examined"
        yield Finding("note", f"daemon: none answers in {where}", why, "systemctl start punchgate, or punchgate run")
        return
    yield Finding("ok", f"daemon: punchgate {case.daemon['version']} runs, pid {case.daemon['pid']}")
    trouble = case.daemon["journal"]["trouble"]
    if trouble is not None:
        why = "what is heard meanwhile is lost"
        yield Finding("finding", f"journal: {trouble['reason']}", why, "make room, or look at the disk")


def settling(case: Case) -> Iterator[Finding]:
    """Are records settled, and if not, what does the daemon think is the matter?"""
    if case.daemon is not None:
        yield from _reason(case.daemon["uplink"])
        yield _backlog(case, case.daemon["newest"], case.daemon["settled"])


def proof(case: Case) -> Iterator[Finding]:
    """Can arrival be proved at all?"""
    uplink = case.settings.uplink
    if uplink.settle == "puback" and uplink.protocol == "3.1.1":
        yield Finding(
            "warning",
            'uplink: settle = "puback" with protocol = "3.1.1"',
            "this protocol cannot say that nobody listens or that a record was refused: delivery cannot be proved",
            'set protocol = "5", or settle = "receipt" with a centre',
        )


def _reason(uplink: dict[str, object]) -> Iterator[Finding]:
    if uplink["reason"] is None:
        return
    said, _, remedy = str(uplink["reason"]).rpartition("; ")
    state = "connected" if uplink["connected"] else "not connected"
    why = "records wait in the journal; nothing is lost while it has room"
    yield Finding("finding", f"uplink: {state}: {said or remedy}", why, remedy if said else "")


def _backlog(case: Case, newest: int, settled: int) -> Finding:
    waiting = max(0, newest - settled)
    since_ms = None if case.past is None else case.past.waiting_since_ms
    waited_ms = 0 if since_ms is None else case.clock.unix_ms() - since_ms
    if waiting == 0 or waited_ms < PATIENT_MS:
        return Finding("ok", f"records: {settled} of {newest} settled")
    return Finding(
        "finding",
        f"records: {waiting} not settled, the oldest for {waited_ms // 60_000} minutes",
        "they are not proved to have arrived",
        _remedy(case),
    )


def _remedy(case: Case) -> str:
    if case.settings.uplink.settle == "receipt":
        return "see that the centre runs on this broker with this prefix: punchgate centre coverage"
    return "see that the consumer subscribes to the records"

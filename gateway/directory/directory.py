"""What the centre has told this gateway of tokens, watch lists and visits: the newest signed document of each.

A document is believed if the centre has signed it for this gateway and its version is above the one that is kept. It
is on the disk before it is in force, so no restart lets an older one in again. Nothing here decides who may pass.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

import structlog

from gateway.blocking import blocking
from gateway.directory.shelf import Shelf
from gateway.downward.believing import Refusal, believed, for_us
from gateway.downward.documents import (
    LEAVES,
    MAX_DOCUMENT_BYTES,
    AnyDocument,
    KnownToken,
    Lists,
    Tokens,
    Visit,
    Visits,
    Window,
    read_document,
)
from gateway.errors import Rejected
from gateway.log import Once
from gateway.uplink import CentreKey

log = structlog.get_logger()


class Directory:
    """`address` is site/gateway. `begin`, then `take` one message after the other; the rest may be asked any time."""

    def __init__(self, address: str, shelf: Shelf, mono: Callable[[], float]) -> None:
        self.key: CentreKey | None = None
        self.counts: Counter[str] = Counter()
        self._address = address
        self._shelf = shelf
        self._once = Once(mono)
        self._documents: dict[str, AnyDocument] = {}
        self._versions = dict.fromkeys(LEAVES, 0)
        self._known: dict[str, bytes] = {}
        self._watched: dict[str, list[tuple[str, Window]]] = {}
        self._persons: dict[str, list[KnownToken]] = {}
        self._visits: dict[str, list[Visit]] = {}

    def begin(self) -> None:
        """What an earlier run has kept is in force again; it was believed then."""
        for kept in self._shelf.all():
            if kept.leaf not in LEAVES:
                continue
            self._versions[kept.leaf] = kept.version
            try:
                self._put_in_force(kept.leaf, read_document(kept.payload), kept.payload.encode())
            except Rejected as error:
                self._refused(kept.leaf, "unreadable", error.message)

    async def take(self, leaf: str, payload: bytes) -> None:
        """A message on one of the topics; never raises PunchgateError."""
        if self._known.get(leaf) == hashlib.sha256(payload).digest():
            return
        try:
            document = await blocking(lambda: self._believed(leaf, payload))
        except Refusal as refusal:
            self._refused(leaf, refusal.kind, refusal.message)
            return
        self.counts["taken"] += 1
        self._put_in_force(leaf, document, payload)
        log.info("directory.taken", topic=leaf, version=document.version, entries=document.count())

    def watched(self, token: str) -> list[tuple[str, Window]]:
        """The lists this token stands on, and when."""
        return self._watched.get(token, [])

    def person(self, token: str, at_ms: int) -> KnownToken | None:
        """Whose it was then."""
        return next((each for each in self._persons.get(token, ()) if within(each.window(), at_ms)), None)

    def visit(self, token: str, at_ms: int) -> Visit | None:
        """Whose visit it was then."""
        return next((each for each in self._visits.get(token, ()) if within(each.window(), at_ms)), None)

    def describe(self) -> dict[str, Any]:
        """What is in force, for people; null: nothing was ever told."""
        return {
            leaf.removeprefix("directory/"): None
            if (document := self._documents.get(leaf)) is None
            else {"version": document.version, "issued": document.issued, "entries": document.count()}
            for leaf in LEAVES
        }

    def close(self) -> None:
        """Release the file."""
        self._shelf.close()

    def _believed(self, leaf: str, payload: bytes) -> AnyDocument:
        """Check, and keep it on the disk; takes its time. Raises Refusal."""
        document = believed(payload, self.key, MAX_DOCUMENT_BYTES, read_document, "directory documents")
        if document.punchgate != leaf:
            raise Refusal("malformed", "document is of another topic")
        for_us(document, self._address, "document")
        if document.version <= self._versions[leaf]:
            raise Refusal("older", f"version {document.version} is not above {self._versions[leaf]}")
        self._shelf.put(leaf, document.version, payload.decode())
        return document

    def _put_in_force(self, leaf: str, document: AnyDocument, payload: bytes) -> None:
        self._documents[leaf] = document
        self._versions[leaf] = document.version
        self._known[leaf] = hashlib.sha256(payload).digest()
        if isinstance(document, Lists):
            watched: dict[str, list[tuple[str, Window]]] = defaultdict(list)
            for each in document.lists:
                for token in dict.fromkeys(each.tokens):
                    watched[token].append((each.list, each.window()))
            self._watched = dict(watched)
        elif isinstance(document, Tokens):
            self._persons = _by_token(document.tokens)
        elif isinstance(document, Visits):
            self._visits = _by_token(document.visits)

    def _refused(self, leaf: str, kind: str, reason: str) -> None:
        self.counts[kind] += 1
        if times := self._once.due(leaf, kind):
            log.warning("directory.refused", topic=leaf, kind=kind, reason=reason, times=times)


def within(window: Window, at_ms: int) -> bool:
    """Whether that instant lies in it."""
    since, until = window
    return (since is None or since <= at_ms) and (until is None or at_ms < until)


def _by_token(entries: Any) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = defaultdict(list)
    for entry in entries:
        found[entry.token].append(entry)
    return dict(found)

"""One line with its units: remembers what was asked, by us or by another master, and gives each reply its meaning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from drivers.events import Event, Frame
from drivers.modbus.maps import Span
from drivers.modbus.pdu import EXCEPTION, Question, Said, understand
from drivers.modbus.watch import Watch

KEEP_S = 5.0
"""How long an unanswered request is remembered."""
MAX_OPEN = 16


class Bus:
    """See the module. `watches`: the units in the order of the configuration; `writes`: names of registers."""

    def __init__(self, watches: Sequence[Watch], writes: Mapping[int, str]) -> None:
        self.watches = watches
        self._writes = writes
        self._by_unit = {watch.layout.unit: (index, watch) for index, watch in enumerate(watches)}
        self._open: dict[int, tuple[Question, float, float]] = {}

    def ask(self, question: Question, at: float, key: int = 0, since: float | None = None) -> None:
        """This read is on the line now, as transaction `key` (0 where there are none).

        `since`: when it was asked for the first time, if nobody can tell which of the askings is answered. An echo
        of what is open changes nothing of that.
        """
        before = self._open.pop(key, None)
        if since is None:
            since = before[2] if before is not None and before[0] == question and at - before[1] <= KEEP_S else at
        self._open[key] = question, at, since
        if len(self._open) > MAX_OPEN:
            del self._open[next(iter(self._open))]

    def expected(self, at: float, key: int = 0) -> Question | None:
        """The read that is open."""
        question, asked_at, _ = self._open.get(key, (None, 0.0, 0.0))
        return question if question is not None and at - asked_at <= KEEP_S else None

    def forget(self) -> None:
        """The line is gone."""
        self._open.clear()
        for watch in self.watches:
            watch.stop()

    def hear(self, unit: int, pdu: bytes, at: float, fields: dict[str, object], key: int = 0) -> tuple[Event, ...]:
        """What a frame says; nothing: it is none."""
        asked, since = self.expected(at, key), self._open[key][2] if key in self._open else at
        if asked is not None and (asked.unit, asked.function) != (unit, pdu[0] & ~EXCEPTION if pdu else 0):
            asked = None
        said = understand(unit, pdu, asked)
        if said is None:
            return ()
        if said.question is not None:
            self.ask(said.question, at, key)
        elif said.about is not None:
            self._open.pop(key, None)
        index, watch = self._by_unit.get(unit, (None, None))
        more, events = self._meaning(said, watch, since, at)
        frame = Frame(name=said.name, unit=index, fields={"unit": unit, **said.fields, **more, **fields})
        return frame, *events

    def _meaning(
        self, said: Said, watch: Watch | None, asked: float, at: float
    ) -> tuple[dict[str, object], list[Event]]:
        written, address = said.fields.get("values"), said.fields.get("address")
        if isinstance(written, list) and isinstance(address, int) and address in self._writes:
            return {"meaning": f"{self._writes[address]}={written[0]}"}, []
        if watch is None or said.about is None or said.values is None:
            return {}, []
        span = Span(said.about.function, said.about.address, said.about.count)
        more, events = watch.read(span, said.values, asked, at)
        if watch.shows_cards(span):
            said.fields.pop("registers", None)
        return more, events

"""Lines with several UHF readers, each at its address: their options, and who is meant. No DRIVER stands here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from drivers import uhf, uhf_asking
from drivers.asking import AskingDriver
from drivers.events import Event, Frame
from drivers.framing import Edge, FrameStream, Judge

PUBLIC = 0xFF
WINDOW_BYTES = 512
POLL_S = 0.1
INVENTORY_S = 0.25
"""What an inventory usually takes, its question and the choice of an antenna included."""


@dataclass(frozen=True, slots=True)
class Options:
    """One reader. `address`: 0..254, None asks everybody and takes every address. `rssi_floor`: the reader's own
    number, weaker tags are no reads, None: off. `tag_window_s`: seconds within which the same tag again is a repeat,
    0: never. `antennas`: number to `outer` or `inner`; both give passages. `cross_s`: seconds from one side to the
    other. `mode`: ask, or listen to a reader in active mode. `poll_s`: seconds from question to question. `gap_s`:
    silence in seconds that gives up a partial frame.
    """

    ANTENNAS: ClassVar[int] = 0
    address: int | None = None
    rssi_floor: int | None = None
    tag_window_s: float = uhf.WINDOW_S
    antennas: Mapping[str, str] = field(default_factory=dict)
    cross_s: float = uhf.CROSS_S
    mode: uhf.Mode = "ask"
    poll_s: float = POLL_S
    gap_s: float = uhf.GAP_S

    def __post_init__(self) -> None:
        uhf.check_address(self.address)
        self.rules.check(self.ANTENNAS)
        uhf.check_polling(self.poll_s, self.gap_s)

    @property
    def rules(self) -> uhf.Rules:
        """What makes a report a read."""
        return uhf.Rules(self.rssi_floor, self.tag_window_s, self.antennas, self.cross_s)

    @property
    def asks(self) -> bool:
        """A reader in active mode speaks by itself, and says nothing while nobody is there."""
        return self.mode == "ask"

    @property
    def emits(self) -> uhf.Emits:
        """Passages need two sides."""
        return uhf.READS_AND_PASSES if self.antennas else uhf.READS

    @property
    def directions(self) -> tuple[str, ...]:
        """Likewise."""
        return uhf.DIRECTIONS if self.antennas else ()


def latency_s(options: Options, line: Sequence[Options]) -> float:
    """Every antenna has its turn, and every reader of the line that is asked."""
    inventories = sum(max(1, len(unit.antennas)) for unit in line if unit.asks)
    return options.poll_s + inventories * INVENTORY_S


class Readers:
    """The readers of one line. `edge`: what the stream knows, for the judge."""

    def __init__(self, units: Sequence[Options]) -> None:
        self.edge = Edge()
        self._units = uhf.units_by_address([unit.address for unit in units])
        self._fields = [uhf.Field(unit.rules, index) for index, unit in enumerate(units)]

    def forget(self) -> None:
        """Nobody is near."""
        for near in self._fields:
            near.forget()

    def _unit(self, address: int) -> int | None:
        return self._units.get(address, self._units.get(None))

    def see(self, address: int, report: uhf.Report, at: float) -> tuple[Event, ...]:
        """What a report of the reader at an address means."""
        unit = self._unit(address)
        if unit is None:
            return (Frame(name="unconfigured", unit=None, fields=report.fields),)
        return self._fields[unit].see(report, at)

    def frame(self, name: str, address: int, fields: Mapping[str, object]) -> Frame:
        """A frame that is no tag. A question goes to an address too: it belongs to that reader."""
        unit = None if address == PUBLIC and None not in self._units else self._unit(address)
        return Frame(name=name if unit is not None else "unconfigured", unit=unit, fields=fields)


def build(
    units: Sequence[Options], readers: Readers, judge: Judge, dialogues: Iterable[uhf_asking.Dialogue]
) -> AskingDriver:
    """The driver of one line; `dialogues`: what is asked of each unit if it is asked."""
    gap_s = max(unit.gap_s for unit in units)
    stream = FrameStream(judge, max_bytes=WINDOW_BYTES, gap_s=gap_s, forget=readers.forget, edge=readers.edge)
    asked = [dialogue if unit.mode == "ask" else None for unit, dialogue in zip(units, dialogues, strict=True)]
    return AskingDriver(stream, uhf_asking.InventoryScript(asked, [unit.poll_s for unit in units]), units=len(units))

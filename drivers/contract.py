"""The contract between a driver and the line it is plugged into: bytes in, events out, nothing else.

A driver is sans-I/O: it owns no port, clock, thread or log. The port feeds it bytes with the monotonic time of
their arrival and asks it when it wants to be polled. Every rule below is checked for every registered driver by
the contract suite (`drivers.suite`), which strangers can run over theirs:

- any split of the same bytes gives the same events;
- `feed` and `poll` never raise, whatever the bytes; buffers are bounded;
- a refused frame is a `BadFrame` with a reason; after a bad check the search goes on one byte past the start;
- a partial frame times out through `poll`; `close` tells what was still waiting; after `reset` all is forgotten;
- no card number is found in another family's capture;
- `is_mid_frame` says whether bytes of a begun frame wait for their rest.

A driver only listens until it is sent `START`: the line is open, and it may write. A request-driven one (`asks`) then
asks its devices through `commands`, says with a `DeviceChange` `up` that one answers and with `down` that it does
not; `drivers.asking` does that for it. What such a device shows happened at some time since it was asked before:
`Event.since_s`. `reset` ends the talk. Bytes that nobody asked for are understood all the same, so that a captured
conversation decodes to what it meant.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from drivers.events import Event

Emits = Literal["credential", "passage", "input"]


START = "start"
"""Order: begin to ask. `values["mark"]` is what `Event.mark` of this unit said last, None if nothing. For drivers of
devices with a clock of their own there may be `values["boot"]`, the id of the boot in which the times `at` count, and
`values["wall_ms"]`, unix milliseconds as the computer believes now; nobody may require them.
"""
FEEDBACK = "feedback"
"""Order: show the person what became of the card; `values["state"]` is one of STATES."""
TEXT = "text"
"""Order: show `values["text"]` for `values["seconds"]`."""
STATES = ("read", "accepted", "refused", "buffering")
"""read: the card was understood; accepted: it is durable; refused: it was not taken; buffering: it is durable, but
the uplink is down."""

Latency = Callable[[Any, Sequence[Any]], float]
"""How many seconds after it happened an event of a device may be told, when all goes well: the longest wait for the
next question, and its answer. Asked with the device's options and those of all devices of its line, it among them.
"""
Swap = Callable[[str], str]
"""Another number for a card number: same length, same alphabet, the same for the same."""


@dataclass(frozen=True, slots=True)
class Command:
    """An order to a device: START, FEEDBACK, TEXT; `values` its arguments. `unit` as in Event.

    There is no order that opens anything.
    """

    name: str
    values: dict[str, object] = field(default_factory=dict)
    unit: int = 0


class Driver(Protocol):
    """One decoder for one line. Times are seconds on one monotonic clock; of a device that has a clock or counts, one
    that goes on while the computer is suspended.
    """

    def feed(self, data: bytes, at: float) -> list[Event]:
        """Take bytes that arrived at `at`; return the events they complete, in order."""

    def poll(self, at: float) -> list[Event]:
        """Let time pass: time out partial frames, ask request-driven devices."""

    def next_poll(self) -> float | None:
        """When `poll` is wanted next; None: not before more bytes arrive."""

    def is_mid_frame(self) -> bool:
        """Whether bytes of a begun frame wait for their rest."""

    def send(self, command: Command, at: float) -> None:
        """Queue an order to the device; what the device cannot do is ignored."""

    def commands(self) -> list[bytes]:
        """Drain the bytes that should be written to the line."""

    def close(self) -> list[Event]:
        """The input ends here: finish the noise run, say what is incomplete, forget it."""

    def reset(self) -> None:
        """Forget everything that has been fed, as after a cable was pulled."""


class DriverFactory(Protocol):
    """Build the decoder of one line from the options of its devices, in the order of the configuration."""

    def __call__(self, units: Sequence[Any], /) -> Driver: ...


@dataclass(frozen=True, slots=True)
class DriverSpec:
    """What a driver says about itself; the object an entry point of the group `punchgate.drivers` names.

    `options` is a frozen dataclass whose fields all have defaults and whose `__post_init__` raises ValueError with a
    message naming the field. `directions` are the words its passages use, `aliases` other words for them that a
    configuration may use. `bus` says that several devices may share the line, `has_memory` that the device keeps what
    it is not asked for, so that it may be left unread for a while. `asks`: it is silent until asked (START), and
    `latency` says how late that makes it, which pairing must know of a device that tells passes.

    `bauds` are the speeds such devices are found at, `proof_bits` how many bits of a frame are start marks and checks
    (how sure one valid frame makes us), `tcp_port` where such a device listens if it has no serial line. `redact`
    gives a valid frame with its card numbers swapped, same length, checks recomputed. `variants` are options that
    are worth a try on an unknown line; on a bus that knows no call to all, `addresses` are usual values of the option
    `address_option`.
    """

    name: str
    title: str
    options: type[Any]
    build: DriverFactory
    emits: frozenset[Emits]
    baud: int = 9600
    bus: bool = False
    has_memory: bool = False
    asks: bool = False
    latency: Latency | None = None
    bauds: tuple[int, ...] = ()
    proof_bits: int = 0
    tcp_port: int | None = None
    variants: tuple[Mapping[str, object], ...] = ()
    address_option: str = ""
    addresses: tuple[int, ...] = ()
    redact: Callable[[bytes, Swap], bytes] | None = None
    directions: tuple[str, ...] = ()
    aliases: dict[str, str] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()
    wiring: str = ""
    frame: str = ""
    example: str = ""

    def emits_with(self, options: Any) -> frozenset[Emits]:
        """What a device with these options emits: their attribute `emits` where one driver serves many formats."""
        emits: frozenset[Emits] = getattr(options, "emits", self.emits)
        return emits

    def directions_with(self, options: Any) -> tuple[str, ...]:
        """The direction words of a device with these options, likewise."""
        directions: tuple[str, ...] = getattr(options, "directions", self.directions)
        return directions

    def proof_bits_with(self, options: Any) -> int:
        """How much one frame of a device with these options proves, likewise."""
        proof_bits: int = getattr(options, "proof_bits", self.proof_bits)
        return proof_bits

    def redact_with(self, options: Any) -> Callable[[bytes, Swap], bytes] | None:
        """How a frame of a device with these options is rewritten, likewise: their method `redact`, if any."""
        redact: Callable[[bytes, Swap], bytes] | None = getattr(options, "redact", self.redact)
        return redact

    def asks_with(self, options: Any) -> bool:
        """Whether a device with these options is silent until asked, likewise."""
        asks: bool = getattr(options, "asks", self.asks)
        return asks

    def latency_with(self, options: Any, line: Sequence[Any] = ()) -> float:
        """Seconds an event of a device with these options may be told after it happened, when all goes well; 0: it
        speaks by itself. `line`: the options of all devices of its line; without, it is alone there.
        """
        if self.latency is None or not self.asks_with(options):
            return 0.0
        return self.latency(options, line or (options,))

    def new(self, *units: Any) -> Driver:
        """A fresh decoder; without options, one device with the defaults."""
        return self.build(units or (self.options(),))

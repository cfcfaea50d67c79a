"""A port to candidates: which driver, at which speed, understands the device on it.

At each speed we first listen for what comes unasked, and then ask as each driver that asks and is usually met at that
speed; after that as those drivers at their other speeds. What is sent is what the driver itself begins with on
`Command(START)`, nothing else: drivers know questions only. The first speed at which something certain is understood
ends the search. Whatever was heard, also what answers somebody else's question, is shown to all drivers in the end.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import partial

from drivers import registry
from drivers.contract import START, Command, Driver, DriverSpec
from drivers.events import DeviceChange, Event
from drivers.framing import FrameStream, Noise
from gateway.bench.evidence import Chunk, count
from gateway.bench.recognition import ADDRESSES, Candidate, ranked, recognise, variants
from gateway.bench.talk import DeviceGone, drop_waiting, open_port, talk
from gateway.errors import Transient

LISTEN_S = 3.0
ANSWER_S, ANSWER_MAX_S = 2.0, 4.5
"""How long a driver may ask at one speed; less if nobody answers, more if it has not asked QUESTIONS times."""
QUESTIONS = 3
FIRST_POLLS = 5
SETTLE_S = 0.4
"""Silence after which what was heard is looked at."""
LOOK_S = 1.0
"""How often it is looked at if there is no silence."""
MORE_S = 1.0
"""How long an answer is followed by more."""
COMMON_BAUDS = (9600, 115200, 57600, 19200, 38400)
CONVINCING_SHARE = 0.9
CONVINCING_BITS = 17.0
TWICE_BITS = 21.0

Say = Callable[[str], None]


@dataclass(slots=True)
class Search:
    """What to try on one port. `bauds` empty: the speeds at which these drivers are met. `ask` False: only listen."""

    url: str
    specs: Sequence[DriverSpec]
    settings: Mapping[str, object]
    bauds: tuple[int, ...] = ()
    listen_s: float = LISTEN_S
    ask: bool = True
    say: Say = lambda _: None
    heard: dict[int, list[Chunk]] = field(default_factory=dict)

    @property
    def speeds(self) -> tuple[int, ...]:
        """The speeds to listen at, the commonest first; a network port has none, any stands for it."""
        if self.bauds:
            return self.bauds
        if "://" in self.url:
            return (self.specs[0].baud,)
        met = Counter(baud for spec in self.specs for baud in (spec.bauds or (spec.baud,)))
        met.update(COMMON_BAUDS if len(self.specs) > 1 else ())
        return tuple(sorted(met, key=lambda baud: (baud not in COMMON_BAUDS, -met[baud], baud)))

    @property
    def heard_bytes(self) -> int:
        """How much came, at all speeds."""
        return sum(len(data) for chunks in self.heard.values() for _, data in chunks)


def probe(search: Search) -> list[Candidate]:
    """The drivers that understand the device, the best first. Transient: the port cannot be opened."""
    found: list[Candidate] = []
    for turn, attempt in enumerate(_attempts(search)):
        try:
            found += attempt()
        except Transient as trouble:
            if turn == 0:
                raise
            search.say(str(trouble))
        if any(_convinces(each) for each in found):
            break
    found += [each for baud in search.heard for each in _recognised(search, baud)]
    return _best_of_each(found)


def _attempts(search: Search) -> Iterator[Callable[[], list[Candidate]]]:
    """Everything to try, in order: speed by speed, then the unusual speeds of those that ask."""
    asking = [spec for spec in search.specs if spec.asks and _can_be_on(spec, search.url)] if search.ask else []
    asking.sort(key=lambda spec: not _listens_at(spec, search.url))
    left = [(spec, baud) for spec in asking for baud in _speeds_of(spec, search)]
    for baud in search.speeds:
        yield partial(_listen, search, baud)
        usual = [(spec, at) for spec, at in left if at == baud and at == _speeds_of(spec, search)[0]]
        for spec, at in usual:
            left.remove((spec, at))
            yield partial(_ask, search, spec, at)
    for spec, at in left:
        yield partial(_ask, search, spec, at)


def _can_be_on(spec: DriverSpec, url: str) -> bool:
    """Whether such devices have a serial line, if the port is one."""
    return "://" in url or bool(spec.bauds) or spec.tcp_port is None


def _listens_at(spec: DriverSpec, url: str) -> bool:
    """Whether a network port is the usual one of such devices."""
    return spec.tcp_port is not None and url.endswith(f":{spec.tcp_port}")


def _speeds_of(spec: DriverSpec, search: Search) -> tuple[int, ...]:
    if search.bauds or "://" in search.url:
        return search.speeds
    return spec.bauds or (spec.baud,)


def _listen(search: Search, baud: int) -> list[Candidate]:
    """What comes unasked. If one thing came that may be chance, a second is waited for as long again."""
    search.say(f"listening at {baud} baud for {search.listen_s:g} s: present a card, scan a code or walk through")
    chunks = search.heard.setdefault(baud, [])
    begun = look = last = time.monotonic()
    until, looked_at = begun + search.listen_s, 0
    found: list[Candidate] = []
    with closing(open_port(search.url, baud)) as port, suppress(DeviceGone):
        drop_waiting(port)
        for step in talk(port, _nobody(), ask=False, until=begun + 2 * search.listen_s):
            if step.received:
                chunks.append((step.at, step.received))
                last = step.at
            if len(chunks) > looked_at and (step.at - last >= SETTLE_S or step.at - look >= LOOK_S):
                looked_at, look = len(chunks), step.at
                found = _recognised(search, baud)
                if any(_convinces(each) for each in found):
                    break
                if any(each.evidence.frames for each in found):
                    until = begun + 2 * search.listen_s
            if step.at >= until:
                break
    return found if len(chunks) == looked_at else _recognised(search, baud)


def _ask(search: Search, spec: DriverSpec, baud: int) -> list[Candidate]:
    """What answers when it is asked the way of one driver; with other options only where there are no speeds."""
    tried = [options for options in variants(spec, search.settings) if _asks(spec, options)]
    for options in tried if "://" in search.url else tried[:1]:
        if found := _asked(search, spec, options, baud):
            return [found]
    return []


def _asked(search: Search, spec: DriverSpec, options: Mapping[str, object], baud: int) -> Candidate | None:
    search.say(f"asking as {spec.name} at {baud} baud")
    units = _addressed(spec, options)
    driver = _new(spec, units)
    events: list[Event] = []
    chunks: list[Chunk] = []
    begun = time.monotonic()
    questions, until = 0, begun + ANSWER_S
    with closing(open_port(search.url, baud)) as port, suppress(DeviceGone):
        drop_waiting(port)
        for step in talk(port, driver, ask=True, units=len(units), until=begun + ANSWER_MAX_S + MORE_S):
            events += step.events
            questions += bool(step.sent)
            if step.received:
                chunks.append((step.at, step.received))
            if _kinds(step.events)["up"]:
                until = step.at + MORE_S
            told = _kinds(events)
            asked_enough = told["up"] or questions >= QUESTIONS or step.at >= begun + ANSWER_MAX_S
            if (step.at >= until and asked_enough) or (not told["up"] and told["down"] >= len(units)):
                break
        events += driver.close()
    search.heard.setdefault(baud, []).extend(chunks)
    answering = [event.unit or 0 for event in events if isinstance(event, DeviceChange) and event.kind == "up"]
    if not answering:
        return None
    size = sum(len(data) for _, data in chunks)
    evidence = count(events, size, spec.proof_bits_with(registry.make_options(spec, options)))
    return Candidate(spec, evidence, units[answering[0]], baud, answers=True)


def _addressed(spec: DriverSpec, options: Mapping[str, object]) -> list[dict[str, object]]:
    """The devices to ask: on a bus that knows no call to all, one at each of the usual addresses."""
    name, usual = ADDRESSES.get(spec.name, ("", ()))
    if not usual or name in options:
        return [dict(options)]
    return [{**options, name: address} for address in usual]


def _new(spec: DriverSpec, units: Sequence[Mapping[str, object]]) -> Driver:
    return spec.new(*(registry.make_options(spec, options) for options in units))


def _asks(spec: DriverSpec, options: Mapping[str, object]) -> bool:
    """Whether a driver with these options asks anything. Example: OSDP without a key does not."""
    driver = _new(spec, [options])
    driver.send(Command(START), 0.0)
    for _ in range(FIRST_POLLS):
        due = driver.next_poll()
        if due is None:
            break
        driver.poll(due)
    return bool(driver.commands())


def _kinds(events: Sequence[Event]) -> Counter[str]:
    return Counter(event.kind for event in events if isinstance(event, DeviceChange))


def _recognised(search: Search, baud: int) -> list[Candidate]:
    chunks = search.heard[baud]
    return recognise(chunks, search.specs, baud=baud, settings=search.settings) if chunks else []


def _convinces(candidate: Candidate) -> bool:
    """Whether there is no need to look further."""
    found = candidate.evidence
    if candidate.answers and found.frames:
        return True
    if found.share < CONVINCING_SHARE:
        return False
    return candidate.score >= (CONVINCING_BITS if found.proof_bits >= CONVINCING_BITS else TWICE_BITS)


def _best_of_each(found: Sequence[Candidate]) -> list[Candidate]:
    """Of each driver the speed and options that explain most."""
    best: dict[str, Candidate] = {}
    for each in ranked(found):
        best.setdefault(each.spec.name, each)
    return ranked(best.values())


def _nobody() -> Driver:
    """Understands nothing: for listening only."""
    return FrameStream(lambda _data, start, stop, _at: Noise(stop - start), max_bytes=64)

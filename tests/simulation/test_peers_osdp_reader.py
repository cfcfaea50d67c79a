"""Driver and simulated OSDP readers talk in real time, which libosdp keeps: shortly, and about one thing each."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from math import inf
from pathlib import Path
from random import Random
from typing import Any

import pytest

from drivers.contract import FEEDBACK, START, STATES, TEXT, Command
from drivers.events import CardRead, DeviceChange, Event, Frame
from drivers.osdp import DRIVER, Options, wire
from gateway.simulation.peers import PEERS, new_peer
from gateway.simulation.peers.osdp_reader import Order, OsdpBus, OsdpReader, card_26

KEY = bytes.fromhex("A1B2C3D4E5F60718293A4B5C6D7E8F90")
STEP_S = 0.005
Spoil = Callable[[bytes], bytes]


def whole(data: bytes) -> bytes:
    return data


class Desk:
    """A driver and a bus on one desk; `spoil` is what the line does to the readers' bytes."""

    def __init__(self, options: Sequence[Options], bus: OsdpBus, spoil: Spoil = whole) -> None:
        self.driver, self.bus, self.spoil = DRIVER.new(*options), bus, spoil
        self.events: list[Event] = []
        self.asked: list[wire.Packet] = []
        for unit in range(len(options)):
            self.driver.send(Command(START, unit=unit), time.monotonic())

    def talk(self, seconds: float, until: Callable[[], bool] = lambda: False) -> bool:
        end = time.monotonic() + seconds
        while not until() and time.monotonic() < end:
            at = time.monotonic()
            self.events += self.driver.poll(at)
            for data in self.driver.commands():
                packet = wire.parse(wire.without_mark(data))
                assert packet is not None
                self.asked.append(packet)
                self.hear([sent.data for sent in self.bus.hear(data, at)])
            self.hear([sent.data for sent in self.bus.tick(at)])
            time.sleep(STEP_S)
        return until()

    def hear(self, answers: Sequence[bytes]) -> None:
        for answer in answers:
            self.events += self.driver.feed(self.spoil(answer), time.monotonic())

    def bring_up(self) -> Desk:
        assert self.talk(3.0, lambda: "up" in self.kinds()), self.events
        return self

    def kinds(self) -> list[str]:
        return [event.kind for event in self.events if isinstance(event, DeviceChange)]

    def reasons(self) -> list[str | None]:
        return [event.reason for event in self.events if isinstance(event, DeviceChange)]

    def cards(self) -> list[str]:
        return [event.value for event in self.events if isinstance(event, CardRead)]


def key_file(folder: Path, key: bytes = KEY) -> str:
    path = folder / "reader.key"
    path.write_text(key.hex(), encoding="ascii")
    path.chmod(0o600)
    return str(path)


@pytest.fixture
def secured(tmp_path: Path) -> Desk:
    return Desk([Options(address=1, key_file=key_file(tmp_path))], OsdpBus([OsdpReader(1, KEY)])).bring_up()


def plain(reader: OsdpReader | None = None, spoil: Spoil = whole) -> Desk:
    return Desk([Options(address=1, secure="off")], OsdpBus([reader or OsdpReader(1)]), spoil).bring_up()


def test_the_peers_are_registered_with_options_that_fit() -> None:
    assert {"osdp_reader", "osdp_bus"} <= PEERS.keys()
    reader = new_peer("osdp_reader")
    desk = Desk([Options(address=0, secure="off")], reader).bring_up()  # type: ignore[arg-type]
    card = reader.new_deed(Random(4))
    assert reader.do(card, 0.0) == []
    assert desk.talk(1.0, lambda: desk.cards() == [card])


@pytest.mark.parametrize("deed", ["", "3:ABCDEF", "6F6C3", "x:closed", "open sesame"])
def test_a_deed_no_reader_knows_is_refused(deed: str) -> None:
    with pytest.raises(ValueError):
        OsdpBus().do(deed, 0.0)


def test_the_same_card_is_the_same_in_plain_and_in_the_secure_channel(secured: Desk) -> None:
    seen = []
    for desk in (secured, plain()):
        desk.bus.do("6F6C3A", 0.0)
        reader = desk.bus.readers[0]
        reader.present(26, bytes.fromhex("CD22C716"))
        reader.present(37, bytes.fromhex("1234567890"))
        assert desk.talk(2.0, lambda desk=desk: len(desk.cards()) == 3)  # type: ignore[misc]
        seen.append([(event.scheme, event.value, event.bits, event.fields["card"])
                     for event in desk.events if isinstance(event, CardRead)])  # fmt: skip
    assert seen[0] == seen[1]
    assert [(scheme, value, bits) for scheme, value, bits, _ in seen[0]] == [
        ("wiegand26", "6F6C3A", 26),
        ("osdp-raw", "CD22C700", 26),
        ("wiegand37", "123456789", 37),
    ]


def ages(desk: Desk) -> list[float | None]:
    return [event.since_s for event in desk.events if isinstance(event, CardRead)]


def test_a_card_is_as_old_as_the_last_poll_and_one_of_before_the_talk_of_any_age(tmp_path: Path) -> None:
    bus = OsdpBus([OsdpReader(1, KEY)])
    bus.do("6F6C3A", 0.0)
    desk = Desk([Options(address=1, key_file=key_file(tmp_path))], bus)
    assert desk.talk(3.0, lambda: desk.cards() == ["6F6C3A"])
    desk.talk(0.5)
    bus.do("00BAD1", 0.0)
    assert desk.talk(3.0, lambda: len(desk.cards()) == 2)
    before, soon = ages(desk)
    assert before == inf
    assert soon is not None
    assert 0.0 < soon < 1.0


def test_a_card_that_was_shown_while_the_link_was_lost_is_not_of_now(secured: Desk) -> None:
    secured.talk(0.5)
    (reader,) = secured.bus.readers
    reader.is_silent = True
    secured.talk(2.0)
    secured.bus.do("6F6C3A", 0.0)
    secured.talk(0.5)
    reader.is_silent = False
    assert secured.talk(8.0, lambda: secured.cards() == ["6F6C3A"]), secured.events
    (since_s,) = ages(secured)
    assert since_s is not None
    assert since_s > 2.4


def test_noise_and_typed_keys_behind_start_are_told(secured: Desk) -> None:
    secured.hear([b"\x00\xff\x00"])
    secured.bus.readers[0].press("12")
    secured.talk(1.0)
    assert {"bad_frame", "frame"} <= {event.event for event in secured.events}


def test_up_says_whether_anybody_can_read_along(secured: Desk) -> None:
    assert secured.reasons() == ["secure channel"]
    assert plain().reasons() == ["no secure channel: everybody can read along"]


def test_light_and_buzzer_show_what_became_of_the_card_and_nothing_is_opened(secured: Desk) -> None:
    for state in STATES:
        secured.driver.send(Command(FEEDBACK, {"state": state}), 0.0)
        secured.talk(0.4)
    secured.driver.send(Command(TEXT, {"text": "Grüße", "seconds": 3}), 0.0)
    secured.talk(0.4)
    assert secured.bus.readers[0].orders == [
        Order("light", 2), Order("beep", 1), Order("light", 1), Order("beep", 3), Order("light", 3), Order("beep", 1),
        Order("text", "Gr??e"),
    ]  # fmt: skip
    assert {packet.name for packet in secured.asked} <= {
        "ID", "CAP", "CHLNG", "SCRYPT", "POLL", "LSTAT", "LED", "BUZ", "TEXT",
    }  # fmt: skip


def test_a_light_is_temporary_and_leaves_the_readers_own_alone() -> None:
    desk = plain()
    desk.driver.send(Command(FEEDBACK, {"state": "refused"}), 0.0)
    desk.talk(0.3)
    (light,) = [packet.payload for packet in desk.asked if packet.code == wire.LED]
    reader, led, control, on, off, colour, off_colour, time_low, time_high, permanent = light[:10]
    assert (reader, led, control, on, off, colour, off_colour) == (0, 0, 2, 15, 0, 1, 0)
    assert (time_low | time_high << 8, permanent) == (15, 0)


def test_a_flood_of_orders_is_not_kept() -> None:
    desk = plain()
    for _ in range(500):
        desk.driver.send(Command(FEEDBACK, {"state": "accepted"}), 0.0)
    desk.talk(1.5)
    assert 2 <= len(desk.bus.readers[0].orders) <= 8
    assert desk.kinds() == ["up"]


def test_tampering_is_told_when_it_begins_and_when_it_ends_and_at_the_start(secured: Desk) -> None:
    for deed in ("tamper", "tamper", "closed"):
        secured.bus.do(deed, 0.0)
        secured.talk(0.3)
    assert secured.kinds() == ["up", "tamper", "tamper"]
    assert [event.fields["active"] for event in secured.events if event.fields.get("active") is not None] == [
        True,
        False,
    ]


def test_a_power_failure_is_told_beside_tampering() -> None:
    desk = plain()
    desk.bus.readers[0].report(tampered=True, power_failed=True)
    desk.talk(0.3)
    assert desk.kinds() == ["up", "tamper", "power"]


def test_digits_typed_at_the_reader_are_nowhere_in_the_events() -> None:
    desk = plain()
    desk.bus.readers[0].press("4711")
    desk.talk(0.3)
    assert [event.fields["keypad"] for event in desk.events if "keypad" in event.fields] == [
        {"reader": 0, "count": 4}
    ]
    assert not any(
        text in str(event.as_dict()) for event in desk.events for text in ("4711", b"4711".hex())
    )  # fmt: skip


def test_a_new_reader_is_handed_its_key_and_that_is_said(tmp_path: Path) -> None:
    options = Options(address=1, key_file=key_file(tmp_path), secure="install")
    desk = Desk([options], OsdpBus([OsdpReader(1, installing=True)])).bring_up()
    assert desk.kinds() == ["install", "up"]
    assert "SCBK-D" in str(desk.reasons()[0])
    assert [packet.name for packet in desk.asked].count("KEYSET") == 1
    desk.bus.do("6F6C3A", 0.0)
    assert desk.talk(1.0, lambda: desk.cards() == ["6F6C3A"])


def test_a_reader_in_install_mode_is_not_taken_for_a_secured_one(tmp_path: Path) -> None:
    desk = Desk([Options(address=1, key_file=key_file(tmp_path))], OsdpBus([OsdpReader(1, installing=True)]))
    desk.bus.do("6F6C3A", 0.0)
    desk.talk(1.0)
    assert (desk.kinds(), desk.cards()) == (["down"], [])
    assert str(desk.reasons()[0]).startswith("key refused")


def test_a_reader_that_has_no_secure_channel_is_refused(tmp_path: Path) -> None:
    def incapable(answer: bytes) -> bytes:
        return wire.seal(answer.replace(b"\x09\x01\0", b"\x09\0\0")) if answer[5] == wire.PDCAP else answer

    desk = Desk([Options(address=1, key_file=key_file(tmp_path))], OsdpBus([OsdpReader(1)]), incapable)
    desk.talk(1.0)
    assert (desk.kinds(), desk.cards()) == (["down"], [])
    assert "no secure channel" in str(desk.reasons()[0])


def forged(question: wire.Packet, block: bytes, code: int = wire.RAW) -> bytes:
    """A card in answer to `question` by somebody who has no key."""
    payload = b"\0\1\x0600BAD0" if code == wire.FMT else b"\0\1\x1a\0" + card_26("00BAD0")
    control = question.sequence | 4 | (8 if block else 0)
    size = 5 + len(block) + 1 + len(payload) + 2
    return wire.seal(bytes([0x53, 0x81, size, 0, control]) + block + bytes([code]) + payload + b"\0\0")


BLOCKS = [b"", b"\x02\x12", b"\x03\x12\x01", b"\x03\x14\x01", b"\x02\x16", b"\x02\x18"]


@pytest.mark.parametrize(("block", "code"), [*((block, wire.RAW) for block in BLOCKS), (b"", wire.FMT)])
def test_a_card_from_somebody_without_the_key_is_not_believed(secured: Desk, block: bytes, code: int) -> None:
    def spoiled(answer: bytes) -> bytes:
        return forged(secured.asked[-1], block, code) if secured.asked[-1].name == "POLL" else answer

    secured.spoil = spoiled
    secured.talk(0.4)
    secured.spoil = whole
    secured.talk(1.5)
    secured.bus.do("6F6C3A", 0.0)
    secured.talk(1.5, lambda: "6F6C3A" in secured.cards())
    believed = [event for event in secured.events if isinstance(event, CardRead) and event.fields.get("secure")]
    assert [event.value for event in believed] == ["6F6C3A"]
    assert secured.cards() == ["6F6C3A"]


def test_an_old_plain_reader_may_send_digits() -> None:
    desk = plain()
    polled = len(desk.asked)

    def digits(answer: bytes) -> bytes:
        return forged(desk.asked[-1], b"", wire.FMT) if len(desk.asked) == polled + 3 else answer

    desk.spoil = digits
    desk.talk(1.0)
    assert (desk.kinds(), desk.cards()) == (["up"], ["00BAD0"])


class _Stubborn(OsdpReader):
    """A reader that refuses to be asked for its state, or to light up."""

    def _obey(self, order: dict[str, Any]) -> tuple[int, None]:
        super()._obey(order)
        return (-1 if order["command"] in (self._sys.CMD_STATUS, self._sys.CMD_LED) else 0), None


def test_what_a_reader_refuses_is_not_asked_again() -> None:
    desk = plain(_Stubborn(1))
    desk.talk(1.5)
    desk.bus.do("6F6C3A", 0.0)
    for _ in range(3):
        desk.driver.send(Command(FEEDBACK, {"state": "accepted"}), 0.0)
        desk.talk(1.2)
    names = [packet.name for packet in desk.asked]
    assert (names.count("LSTAT"), names.count("LED")) == (1, 1)
    assert names.count("BUZ") >= 2
    assert (desk.kinds(), desk.cards()) == (["up"], ["6F6C3A"])


def test_damaged_and_lost_answers_cost_time_and_no_card(secured: Desk) -> None:
    rng = Random(20)

    def spoiled(answer: bytes) -> bytes:
        fate = rng.random()
        if fate < 0.05:
            return b""
        if fate < 0.10:
            at = rng.randrange(len(answer))
            return answer[:at] + bytes([answer[at] ^ 0x10]) + answer[at + 1 :]
        return (rng.randbytes(2) if fate < 0.15 else b"") + answer

    secured.spoil = spoiled
    cards = [f"{rng.getrandbits(24):06X}" for _ in range(15)]
    for card in cards:
        secured.bus.do(card, 0.0)
        secured.talk(0.15)
    assert secured.talk(15.0, lambda: len(secured.cards()) >= len(cards))
    secured.talk(0.5)
    assert secured.cards() == cards
    assert secured.kinds() == ["up"]


def test_the_echo_of_a_two_wire_adapter_is_no_answer() -> None:
    desk = Desk([Options(address=1, secure="off")], OsdpBus([OsdpReader(1)]))
    echoing = desk.driver.commands
    desk.driver.commands = lambda: [  # type: ignore[method-assign]
        data for data in echoing() if desk.events.extend(desk.driver.feed(data, time.monotonic())) is None
    ]
    desk.bring_up()
    desk.bus.do("6F6C3A", 0.0)
    assert desk.talk(1.0, lambda: desk.cards() == ["6F6C3A"])
    desk.talk(0.3)
    assert {event.name for event in desk.events if isinstance(event, Frame)} >= {"POLL", "ACK"}
    assert (desk.kinds(), desk.cards()) == (["up"], ["6F6C3A"])


def test_two_readers_do_not_answer_together(tmp_path: Path) -> None:
    path = key_file(tmp_path)
    options = [Options(address=address, key_file=path) for address in (1, 2)]
    desk = Desk(options, OsdpBus([OsdpReader(1, KEY), OsdpReader(2, KEY)]))
    assert desk.talk(3.0, lambda: desk.kinds() == ["up", "up"])
    desk.bus.do("1:00000A", 0.0)
    desk.bus.do("2:00000B", 0.0)
    desk.talk(0.6)
    read = {(event.unit, event.value) for event in desk.events if isinstance(event, CardRead)}
    assert (read, len(desk.cards())) == ({(0, "00000A"), (1, "00000B")}, 2)
    answers = [event for event in desk.events if isinstance(event, Frame) and event.fields.get("reply")]
    assert {event.unit for event in answers} == {0, 1}
    assert not any(event.event == "bad_frame" for event in desk.events)
    assert 0 <= len(desk.asked) - len(answers) <= 1

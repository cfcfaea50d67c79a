"""What is signed is believed as it was signed, in any spelling, and nothing else is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from key_pairs import pair

from gateway.clock import Clock
from gateway.errors import Misconfigured, Rejected
from gateway.signature import PublicKey, signer, unsigned
from gateway.spans import Spans
from gateway.uplink.presence import Head, Mood, online
from gateway.uplink.settlement import Held, Settlement
from gateway.wire import compact

PRIVATE, PUBLIC = pair(1)
SIGN, KEY = signer(PRIVATE, "sign.key_file"), PublicKey(PUBLIC, "gateway_keys")
NUMBERS = st.integers(-(2**53) + 1, 2**53 - 1)
TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=10,
)


def state() -> dict[str, Any]:
    head = Head(Held(1, 42), "ab" * 32)
    settlement = Settlement("5c1f0a9be2d74f11", Spans([(1, 40)]), "7d0e", 7)
    return SIGN(online(Clock(), settlement, head, Mood("receipt", None, ("chmod 600 /etc/钥匙",))))


def is_believed(message: dict[str, Any]) -> bool:
    try:
        KEY.check(json.dumps(message).encode(), "its")
    except Rejected:
        return False
    return True


def test_a_state_is_believed_however_it_is_spelled() -> None:
    KEY.check(compact(state()), "its")
    assert is_believed(dict(reversed(state().items())))


@given(st.sampled_from(sorted(state())), VALUES)
def test_no_member_of_a_state_can_be_changed(member: str, value: Any) -> None:
    message = state()
    if compact(message[member]) != compact(value):
        assert not is_believed(message | {member: value})


@given(st.sampled_from(sorted(state())))
def test_no_member_of_a_state_can_be_taken_away(member: str) -> None:
    assert not is_believed({name: value for name, value in state().items() if name != member})


@given(st.text(min_size=1).filter(lambda name: name not in state()), VALUES)
def test_nothing_can_be_added(name: str, value: Any) -> None:
    assert not is_believed(state() | {name: value})


def test_a_member_said_twice_is_not_believed_whichever_of_them_was_signed() -> None:
    whole = compact(state())
    for twice in (whole.replace(b"{", b'{"newest":7,', 1), whole[:-1] + b',"newest":42}'):
        with pytest.raises(Rejected):
            KEY.check(twice, "its")


@given(st.dictionaries(st.text(max_size=8).filter(lambda name: name != "sig"), VALUES, max_size=5))
def test_whatever_can_be_sent_can_be_signed_and_is_believed(message: dict[str, Any]) -> None:
    KEY.check(compact(SIGN(message)), "its")


def test_what_has_no_bytes_is_signed_as_it_is_sent() -> None:
    KEY.check(compact(SIGN({"path": "/etc/\udcff", "list": (1, 2)})), "its")


def test_another_key_is_not_believed_and_a_former_one_is_while_it_is_known() -> None:
    message = compact(signer(pair(2)[0], "x")({"newest": 1}))
    with pytest.raises(Rejected, match="signature is not that of hq/edge-01"):
        KEY.check(message, "that of hq/edge-01")
    PublicKey(PUBLIC + pair(2)[1], "x").check(message, "its")


@given(st.binary(max_size=200))
def test_no_bytes_are_a_key_and_none_is_a_bug(pem: bytes) -> None:
    for make in (signer, PublicKey):
        with pytest.raises(Misconfigured, match=r"^sign\.key_file"):
            make(pem, "sign.key_file")


def test_a_key_of_the_wrong_half_or_spoilt_is_named() -> None:
    for make, pem in ((signer, PUBLIC), (PublicKey, PRIVATE), (PublicKey, PUBLIC.replace(b"M", b"!", 1))):
        with pytest.raises(Misconfigured, match=r"^sign\.key_file"):
            make(pem, "sign.key_file")


def test_who_has_no_key_changes_nothing() -> None:
    assert unsigned({"a": 1}) == {"a": 1}

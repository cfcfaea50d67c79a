"""Who speaks for the centre."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Misconfigured, Rejected
from gateway.uplink.signature import NoKey, PublicKey

pytest.importorskip("cryptography")
rfc8785 = pytest.importorskip("rfc8785")

from cryptography.hazmat.primitives.asymmetric import ec, ed25519  # noqa: E402
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat  # noqa: E402

SECRET = ed25519.Ed25519PrivateKey.from_private_bytes(b"\x07" * 32)
MESSAGE: dict[str, Any] = {"ledger": "7d0e", "receipt": 77, "through": 9, "text": "端口", "list": [[1, 2]]}


def pem(key: Any) -> bytes:
    return bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> PublicKey:
    path = tmp_path_factory.mktemp("key") / "centre.pem"
    path.write_bytes(pem(SECRET.public_key()))
    return PublicKey(path)


def signed(message: dict[str, Any]) -> dict[str, Any]:
    return message | {"sig": base64.b64encode(SECRET.sign(rfc8785.dumps(message))).decode()}


def test_what_the_centre_signed_is_believed_however_it_is_spelled(key: PublicKey) -> None:
    key.check(json.dumps(signed(MESSAGE)).encode())
    key.check(json.dumps(dict(reversed(signed(MESSAGE).items())), indent=3, ensure_ascii=False).encode())


@pytest.mark.parametrize(
    "change",
    [
        {"through": 10},
        {"more": 1},
        {"sig": None},
        {"sig": 5},
        {"sig": ""},
        {"sig": "é"},
        {"sig": "A" * 88},
        {"text": "\ud800"},
        {"receipt": 2**60},
    ],
)
def test_what_was_changed_is_not_believed(key: PublicKey, change: dict[str, Any]) -> None:
    with pytest.raises(Rejected):
        key.check(json.dumps(signed(MESSAGE) | change).encode())


def test_what_is_not_signed_is_not_believed(key: PublicKey) -> None:
    for payload in (json.dumps(MESSAGE).encode(), b"", b"[]", b"null", b"[" * 100_000, b'{"sig":"AA==","x":NaN}'):
        with pytest.raises(Rejected):
            key.check(payload)


@given(st.binary(max_size=100))
def test_no_bytes_raise_anything_but_rejected(key: PublicKey, payload: bytes) -> None:
    with pytest.raises(Rejected):
        key.check(payload)


@pytest.mark.parametrize("content", [b"", b"not a key", pem(ec.generate_private_key(ec.SECP256R1()).public_key())])
def test_a_file_that_is_no_such_key_is_a_mistake_of_the_configuration(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "centre.pem"
    path.write_bytes(content)
    with pytest.raises(Misconfigured, match="centre_key_file"):
        PublicKey(path)


def test_a_file_that_is_not_there_is_a_mistake_of_the_configuration(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="centre_key_file"):
        PublicKey(tmp_path / "nothing.pem")


def test_without_a_usable_key_nothing_is_believed() -> None:
    with pytest.raises(Rejected, match="why"):
        NoKey(Misconfigured("why")).check(b"{}")

"""What two files may carry between a box and its centre, and what is noticed when somebody changed them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Misconfigured, Rejected
from gateway.identity import certificates as x509
from gateway.identity import seal
from gateway.identity.box import Box
from gateway.identity.papers import Answer, Request, binary, fingerprint, same, text
from traceability.authority import Authority, enrol

URL, PREFIX, GATEWAY = "mqtts://broker.example:8883", "punchgate/v1", "hq.edge-01"
CENTRE_KEY = "-----BEGIN PUBLIC KEY-----\nno key\n-----END PUBLIC KEY-----\n"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.create(tmp_path / "authority", PREFIX)


@pytest.fixture
def box(tmp_path: Path) -> Box:
    (tmp_path / "box").mkdir()
    return Box(tmp_path / "box" / "punchgate.toml", GATEWAY)


def answered(authority: Authority, box: Box) -> Answer:
    return enrol(authority, Request.read(box.request().bytes()), URL, PREFIX, CENTRE_KEY)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_box_that_was_answered_has_all_it_needs(authority: Authority, box: Box, tmp_path: Path) -> None:
    box.accept(Answer.read(answered(authority, box).bytes()))
    folder = tmp_path / "box"
    assert (folder / "organisation.key").read_bytes() == authority.organisation_key
    assert (folder / "ca.pem").read_bytes() == authority.ca
    assert (folder / "centre.pub").read_text() == CENTRE_KEY
    drop_in = (folder / "punchgate.toml.d" / "50-enrolment.toml").read_text()
    assert f'url = "{URL}"' in drop_in
    private = {path.name for path in folder.iterdir() if path.is_file() and not path.stat().st_mode & 0o007}
    assert private == {"tls.key", "sign.key", "box.key", "organisation.key"}


def test_the_request_holds_no_secret_and_the_answer_none_that_others_can_read(authority: Authority, box: Box) -> None:
    request, answer = box.request(), answered(authority, box)
    for paper in (request.bytes(), answer.bytes()):
        assert b"PRIVATE" not in paper
        assert authority.organisation_key.strip() not in paper
    assert authority.organisation_key.strip() not in binary(answer.organisation_key)


def test_asking_again_keeps_the_keys_and_renews_the_certificate(authority: Authority, box: Box) -> None:
    first, second = answered(authority, box), answered(authority, box)
    assert box.request().sign_key == box.request().sign_key
    assert first.certificate != second.certificate
    box.accept(second)
    assert [one.name for one in authority.issued].count(GATEWAY) == 2


@pytest.mark.parametrize("member", ["url", "prefix", "centre_key", "ca", "certificate", "organisation_key"])
def test_an_answer_that_was_changed_on_its_way_changes_nothing(
    authority: Authority, box: Box, tmp_path: Path, member: str
) -> None:
    answer = answered(authority, box)
    other = Authority.create(tmp_path / "other", PREFIX)
    stranger = Box(tmp_path / "other" / "punchgate.toml", GATEWAY)
    changed = {
        "url": "mqtts://elsewhere.example:8883",
        "prefix": "elsewhere/v1",
        "centre_key": x509.public_pem(x509.new_signing_key()).decode(),
        "ca": other.ca.decode(),
        "certificate": enrol(authority, stranger.request(), URL, PREFIX, "").certificate,
        "organisation_key": text(seal.seal(b"00" * 32, binary(box.request().box_key), b"another context")),
    }
    forged = replace(answer, **{member: changed[member]})
    if member != "organisation_key":
        sealed = seal.seal(b"00" * 32, binary(box.request().box_key), forged.context)
        forged = replace(forged, organisation_key=text(sealed))
    before = files(tmp_path / "box")
    with pytest.raises(Rejected):
        box.accept(forged)
    assert files(tmp_path / "box") == before


def test_a_carrier_cannot_put_his_own_key_into_an_answer(authority: Authority, box: Box, tmp_path: Path) -> None:
    """Anybody can seal to a box; only the authority can sign, and its fingerprint was compared."""
    answer = answered(authority, box)
    sealed = seal.seal(b"00" * 32, binary(box.request().box_key), answer.context)
    before = files(tmp_path / "box")
    for forged in (
        replace(answer, organisation_key=text(sealed)),
        replace(answer, organisation_key=text(sealed), signature=""),
        replace(answer, organisation_key=text(sealed), signature=text(b"no signature")),
    ):
        with pytest.raises(Rejected, match="changed on its way"):
            box.accept(forged)
    assert files(tmp_path / "box") == before


@pytest.mark.parametrize(
    "bad", [{"box_key": text(bytes(32))}, {"box_key": text(b"short")}, {"sign_key": "no key"}, {"sign_key": ""}]
)
def test_a_request_with_a_key_of_no_use_lets_nobody_in(authority: Authority, box: Box, bad: dict[str, str]) -> None:
    with pytest.raises(Rejected):
        enrol(authority, replace(box.request(), **bad), URL, PREFIX, "")
    assert authority.members() == []
    assert not list((authority.folder / "gateways").iterdir())


def test_an_answer_for_another_box_is_refused_by_name(authority: Authority, box: Box, tmp_path: Path) -> None:
    other = Box(tmp_path / "box" / "punchgate.toml", "hq.edge-02")
    with pytest.raises(Rejected, match="it is for hq"):
        box.accept(answered(authority, other))


def test_a_request_whose_certificate_is_for_somebody_else_is_refused(authority: Authority, box: Box) -> None:
    request = box.request()
    forged = replace(request, csr=x509.request(x509.new_key(), "centre").decode())
    with pytest.raises(Rejected, match="not for CN=hq"):
        enrol(authority, forged, URL, PREFIX, "")
    assert GATEWAY not in authority.members()


def test_nobody_can_enrol_under_a_name_that_is_no_gateways(box: Box) -> None:
    """The centre's own name has no dot, so no request can take it."""
    for name in ("centre", "hq.edge.01", "hq/edge-01", "+.+", "HQ.edge-01", ""):
        with pytest.raises(Rejected, match="site"):
            replace(box.request(), gateway=name)


def test_an_accept_without_a_request_says_what_to_do(tmp_path: Path, authority: Authority, box: Box) -> None:
    answer = answered(authority, box)
    with pytest.raises(Misconfigured, match="punchgate enrol request"):
        Box(tmp_path / "punchgate.toml", GATEWAY).accept(answer)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_paper_or_refused(data: bytes) -> None:
    for paper in (Request, Answer):
        with pytest.raises(Rejected):
            paper.read(data)


@given(st.dictionaries(st.sampled_from([*Answer.__dataclass_fields__, "type", "more"]), st.text(max_size=20)))
def test_any_members_are_a_paper_or_refused(members: dict[str, str]) -> None:
    try:
        read = Answer.read(json.dumps(members | {"type": Answer.kind()}).encode())
    except Rejected:
        return
    assert set(members) - {"type"} == set(Answer.__dataclass_fields__)
    assert Answer.read(read.bytes()) == read


@given(st.binary(max_size=300), st.binary(max_size=20), st.integers(0, 10_000), st.integers(1, 255))
def test_what_was_sealed_opens_for_its_box_and_purpose_only(data: bytes, purpose: bytes, at: int, flip: int) -> None:
    private, other = seal.new_key(), seal.new_key()
    sealed = seal.seal(data, seal.public_half(private), purpose)
    assert seal.unseal(sealed, private, purpose) == data
    damaged = bytearray(sealed)
    damaged[at % len(sealed)] ^= flip
    for bad, key, why in (
        (sealed, other, purpose),
        (sealed, private, purpose + b"x"),
        (sealed[:-1], private, purpose),
    ):
        with pytest.raises(Rejected):
            seal.unseal(bad, key, why)
    if bytes(damaged[:32]) != sealed[:32] or bytes(damaged[32:]) != sealed[32:]:
        with pytest.raises(Rejected):
            seal.unseal(bytes(damaged), private, purpose)


def test_a_fingerprint_is_read_out_and_typed_as_one_likes() -> None:
    mark = fingerprint(b"anything")
    assert len(mark) == 24
    assert same(mark.upper().replace("-", "  "), mark)
    assert not same(mark[:-1] + ("0" if mark[-1] != "0" else "1"), mark)

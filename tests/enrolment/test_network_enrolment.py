"""Enrolment over the network: a code lets one box in, once; a certificate that counts brings the next."""

from __future__ import annotations

import dataclasses
import hashlib
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.errors import Misconfigured, PunchgateError, Rejected, Transient, Unavailable
from gateway.identity import certificates as x509
from gateway.identity.box import Box
from gateway.identity.code import read_code
from gateway.identity.network import Renewing, enrol_at
from traceability.api.application import create_app
from traceability.api.enrolment import enrolment
from traceability.api.papers import Papers
from traceability.api.patience import Patience
from traceability.api.server import Server
from traceability.authority import Authority, desk
from traceability.authority.desk import Desk, Terms
from traceability.authority.invitations import FILE, Invitations

PREFIX = "punchgate/v1"
DAY = timedelta(days=1)
GATEWAY = "hq.edge-01"


@dataclass
class Centre:
    """An authority that answers over HTTPS."""

    folder: Path
    url: str = ""
    now_s: float = 0.0

    @property
    def authority(self) -> Authority:
        return Authority(self.folder)

    def code(self, gateway: str = GATEWAY, valid: timedelta = DAY, replaces: bool = False) -> str:
        authority = self.authority
        with authority.alone():
            return Invitations(self.folder).invite(gateway, authority.ca, valid, replaces)[0].text()

    def server(self) -> Server:
        terms = Terms(self.folder, "mqtts://broker.example:8883", PREFIX, "")
        app = create_app([enrolment(Desk(terms), Patience(lambda: self.now_s))])
        return Server(app, "127.0.0.1", 0, Papers(self.folder / "server.pem", self.folder / "server.key"))


def serving(folder: Path) -> Iterator[Centre]:
    authority = Authority.create(folder, PREFIX)
    with authority.changing(PREFIX):
        authority.server("server", ("127.0.0.1",))
    centre = Centre(folder)
    server = centre.server()
    server.start()
    centre.url = server.url
    yield centre
    server.stop()


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[Centre]:
    yield from serving(tmp_path / "authority")


@pytest.fixture
def other_centre(tmp_path: Path) -> Iterator[Centre]:
    yield from serving(tmp_path / "other-authority")


def box(tmp_path: Path, name: str = "box") -> Path:
    (tmp_path / name).mkdir(exist_ok=True)
    return tmp_path / name / "punchgate.toml"


def state(config: Path) -> dict[str, str]:
    """All files of a box but its own keys, which a vain request may make."""
    found = {str(path.relative_to(config.parent)): path for path in config.parent.rglob("*") if path.is_file()}
    own = {"tls.key", "sign.key", "box.key"}
    return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in found.items() if name not in own}


def uplink(config: Path) -> dict[str, str]:
    return tomllib.loads((config.parent / "punchgate.toml.d/50-enrolment.toml").read_text())["uplink"]


def test_a_code_gives_a_box_all_that_an_answer_by_file_gives_and_the_centres_address(
    centre: Centre, tmp_path: Path
) -> None:
    config = box(tmp_path)
    written = enrol_at(centre.url, centre.code(), GATEWAY, config)
    assert {path.name for path in written} == {"organisation.key", "ca.pem", "tls.pem", "50-enrolment.toml"}
    assert (config.parent / "organisation.key").read_bytes() == centre.authority.organisation_key
    assert uplink(config)["centre_url"] == centre.url
    assert centre.authority.members() == [GATEWAY]


def test_a_lost_answer_is_asked_for_again_by_the_same_box_and_by_no_other(centre: Centre, tmp_path: Path) -> None:
    code, config = centre.code(), box(tmp_path)
    for _ in range(2):
        enrol_at(centre.url, code, GATEWAY, config)
    with pytest.raises(Rejected, match="another box has used the code"):
        enrol_at(centre.url, code, GATEWAY, box(tmp_path, "thief"))
    assert state(box(tmp_path, "thief")) == {}


def test_after_a_revocation_a_used_code_is_of_no_use_to_its_box_either(centre: Centre, tmp_path: Path) -> None:
    code, config = centre.code(), box(tmp_path)
    enrol_at(centre.url, code, GATEWAY, config)
    authority = centre.authority
    with authority.changing(PREFIX):
        authority.revoke(GATEWAY)
        Invitations(centre.folder).withdraw(GATEWAY)
    with pytest.raises(Rejected, match="wrong"):
        enrol_at(centre.url, code, GATEWAY, config)
    assert centre.authority.members() == []


def test_codes_that_are_wrong_late_or_for_another_change_nothing(centre: Centre, tmp_path: Path) -> None:
    config = box(tmp_path)
    wrong = dataclasses.replace(read_code(centre.code()), secret="0" * 12).text()
    late = centre.code("hq.edge-02", timedelta(seconds=-1))
    others = centre.code("hq.edge-03")
    for code, gateway, said in (
        (wrong, GATEWAY, "wrong"),
        (late, "hq.edge-02", "ended"),
        (others, GATEWAY, "is for hq.edge-03"),
    ):
        with pytest.raises(Rejected, match=said):
            enrol_at(centre.url, code, gateway, config)
    assert state(config) == {}
    assert centre.authority.members() == []
    assert [one.attempts for one in Invitations(centre.folder).all] == [1, 0, 0]


def test_a_box_gives_its_code_to_nobody_but_the_authority_that_the_code_names(
    centre: Centre, other_centre: Centre, tmp_path: Path
) -> None:
    """Somebody else answers at the address; then he passes the right certificate on, and still has no key of it."""
    code, config = centre.code(), box(tmp_path)
    with pytest.raises(Rejected, match="not of the authority"):
        enrol_at(other_centre.url, code, GATEWAY, config)
    (other_centre.folder / "ca.pem").write_bytes(centre.authority.ca)
    with pytest.raises(Unavailable, match="not believed"):
        enrol_at(other_centre.url, code, GATEWAY, config)
    assert state(config) == {}
    assert Invitations(centre.folder).all[0].used is None


def test_a_name_that_is_taken_is_given_to_another_box_only_where_it_replaces_the_first(
    centre: Centre, tmp_path: Path
) -> None:
    early = centre.code()
    authority = centre.authority
    with authority.changing(PREFIX):
        authority.issue(GATEWAY, x509.new_key().public_key())
    with pytest.raises(Rejected, match="another box is hq"):
        enrol_at(centre.url, early, GATEWAY, box(tmp_path))
    enrol_at(centre.url, centre.code(replaces=True), GATEWAY, box(tmp_path))
    counting = centre.authority.counting(GATEWAY)
    assert [one.key for one in counting] == [x509.key_mark(Box(box(tmp_path), GATEWAY).key().public_key())]


def test_of_a_code_the_centre_keeps_a_hash_only_and_a_new_one_ends_the_last(centre: Centre, tmp_path: Path) -> None:
    first, second = centre.code(), centre.code()
    kept = (centre.folder / FILE).read_text()
    assert all(read_code(code).secret not in kept for code in (first, second))
    assert (centre.folder / FILE).stat().st_mode & 0o077 == 0
    with pytest.raises(Rejected, match="wrong"):
        enrol_at(centre.url, first, GATEWAY, box(tmp_path))


def test_who_guesses_has_to_wait_even_with_the_right_code_in_the_end(centre: Centre, tmp_path: Path) -> None:
    code, config = centre.code(), box(tmp_path)
    wrong = dataclasses.replace(read_code(code), secret="0" * 12).text()
    for _ in range(10):
        with pytest.raises(Rejected):
            enrol_at(centre.url, wrong, GATEWAY, config)
    with pytest.raises(Transient, match="too many"):
        enrol_at(centre.url, code, GATEWAY, config)
    centre.now_s += 60.0
    enrol_at(centre.url, code, GATEWAY, config)


def test_where_nobody_answers_it_says_so(tmp_path: Path, centre: Centre) -> None:
    with pytest.raises(Unavailable, match="no answer"):
        enrol_at("https://127.0.0.1:1", centre.code(), GATEWAY, box(tmp_path))
    with pytest.raises(Misconfigured, match="not where a centre answers"):
        enrol_at("http://centre.example", centre.code(), GATEWAY, box(tmp_path))


def test_one_name_gets_so_many_certificates_a_day_and_no_other_has_to_wait_for_it(
    centre: Centre, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk, "A_DAY", 3)
    config, other = box(tmp_path), box(tmp_path, "other")
    enrol_at(centre.url, centre.code(), GATEWAY, config)
    enrol_at(centre.url, centre.code("hq.edge-02"), "hq.edge-02", other)
    for _ in range(2):
        Renewing(centre.url, GATEWAY, config).fetch()
    before = (state(config), centre.authority.issued)
    for _ in range(12):
        with pytest.raises(Transient, match="has had 3 certificates within a day; try again in 24 h"):
            Renewing(centre.url, GATEWAY, config).fetch()
    assert (state(config), centre.authority.issued) == before
    Renewing(centre.url, "hq.edge-02", other).fetch()
    authority = centre.authority
    with authority.alone():
        authority._keep([dataclasses.replace(one, days=one.days + 1) for one in authority.issued])
    Renewing(centre.url, GATEWAY, config).fetch()


def test_a_renewal_has_a_new_key_lies_beside_and_is_put_in_force_at_one_stroke(
    centre: Centre, tmp_path: Path
) -> None:
    config = box(tmp_path)
    enrol_at(centre.url, centre.code(), GATEWAY, config)
    before, key = state(config), (config.parent / "tls.key").read_bytes()
    renewing = Renewing(centre.url, GATEWAY, config)
    cert_file, key_file = renewing.fetch()
    assert {name: hash_ for name, hash_ in state(config).items() if not name.startswith("tls2.")} == before
    assert renewing.put_in_force() == [config.parent / "punchgate.toml.d/50-enrolment.toml"]
    assert uplink(config)["cert_file"] == f"../{cert_file.name}"
    assert uplink(config)["key_file"] == f"../{key_file.name}"
    assert uplink(config)["centre_url"] == centre.url
    assert key_file.read_bytes() != key == (config.parent / "tls.key").read_bytes()
    assert Box(config, GATEWAY).certificate() == cert_file.read_bytes()
    again = Renewing(centre.url, GATEWAY, config)
    assert again.fetch()[0].name == "tls.pem"


def test_who_was_revoked_or_has_expired_gets_no_next_certificate(centre: Centre, tmp_path: Path) -> None:
    config = box(tmp_path)
    enrol_at(centre.url, centre.code(), GATEWAY, config)
    before, authority = state(config), centre.authority
    late = [dataclasses.replace(one, until="2025-01-01T00:00:00+00:00") for one in authority.issued]
    for rows in (late, None):
        with authority.changing(PREFIX):
            kept = authority.issued
            authority._keep(rows) if rows else authority.revoke(GATEWAY)
        with pytest.raises(Rejected, match="revoked, or has expired"):
            Renewing(centre.url, GATEWAY, config).fetch()
        with authority.changing(PREFIX):
            authority._keep(kept)
    assert state(config) == before


def test_nobody_renews_for_another_or_without_the_key(centre: Centre, tmp_path: Path) -> None:
    config, thief = box(tmp_path), box(tmp_path, "thief")
    enrol_at(centre.url, centre.code(), GATEWAY, config)
    enrol_at(centre.url, centre.code("hq.edge-02"), "hq.edge-02", thief)
    with pytest.raises(Rejected, match="is not for hq"):
        Renewing(centre.url, GATEWAY, thief).fetch()
    (thief.parent / "tls.pem").write_bytes((config.parent / "tls.pem").read_bytes())
    with pytest.raises(Rejected, match="key has not signed"):
        Renewing(centre.url, GATEWAY, thief).fetch()


def test_whatever_hinders_the_centre_is_no_bug_of_the_box(centre: Centre, tmp_path: Path) -> None:
    code = centre.code()
    (centre.folder / "issued.json").write_text("{")
    with pytest.raises(PunchgateError) as told:
        enrol_at(centre.url, code, GATEWAY, box(tmp_path))
    assert told.value.exit_code in (69, 75)

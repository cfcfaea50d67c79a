"""Upgrades while a reader reads twenty cards a second: a release that is no good makes way, and nothing is lost."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import later
import pytest
from box import Box, base
from side_by_side import made_once
from test_debian_box import configure
from test_service_box import GAP_S, READER, records, seconds, sent, token

pytestmark = [
    pytest.mark.needs(tool) for tool in ("root", "namespaces", "debootstrap", "openssl", "boot", "dpkg-deb")
]

OLDEST, OLD, NEW, BAD, BEST, SLOW, LATE = "0.0.8", "0.0.9", "9.0.0", "9.1.0", "9.2.0", "9.3.0", "9.4.0"
LATE_S = 6
START_S = 15
APP, SCHEMA = f"{later.GATEWAY}/app.py", f"{later.GATEWAY}/journal/schema.py"
KINDS = {
    "raises": {f"{later.GATEWAY}/commands/__init__.py": later.FAILS_AT_IMPORT},
    "raises_late": {APP: later.FAILS_AT_IMPORT},
    "hangs": {APP: later.HANGS},
    "dies": {APP: later.DIES, SCHEMA: later.SCHEMA_AHEAD},
}
STATUS = "import json, sys; print(json.load(sys.stdin)[sys.argv[1]])"


@pytest.fixture(scope="session")
def releases(packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stick with VERSION.deb and VERSION.run: older releases, newer ones, and those that are no good."""
    plain: dict[str, str] = {}
    wanted = {OLD: plain, NEW: {SCHEMA: later.SCHEMA_AHEAD}, BEST: plain, SLOW: {SCHEMA: later.SLOW_COPY}}
    wanted[LATE] = {APP: f"\nimport time\ntime.sleep({LATE_S})\n"}
    wanted |= {f"{BAD}{kind.replace('_', '')}": added for kind, added in KINDS.items()}

    def make(stick: Path) -> None:
        for version, added in wanted.items():
            later.debian(packages, stick, version, added).rename(stick / f"{version}.deb")
        for version in (OLD, f"{BAD}dies"):
            later.installer(packages, stick, version, wanted[version]).rename(stick / f"{version}.run")
        later.of_one_release(packages, stick, OLDEST).rename(stick / f"{OLDEST}.deb")

    return made_once(tmp_path_factory, "releases", make)


@pytest.fixture
def box(suite: str, releases: Path, tmp_path: Path) -> Iterator[Box]:
    """Running, without anything of ours."""
    made = Box(base(suite), tmp_path / "box", releases)
    with made.boot():
        yield made


def deb(version: str) -> str:
    return f"apt-get install -y /media/stick/{version}.deb"


def begin(box: Box, install: str) -> None:
    """The first release, known to be good, with a reader that goes on reading."""
    box.sh(install)
    configure(box)
    box.sh(READER)
    box.eventually("test -e /run/reader/port")
    box.sh("systemctl start punchgate")
    time.sleep(2.0)


def assert_nothing_is_lost(box: Box) -> None:
    time.sleep(2.0)
    box.sh("systemctl stop reader")
    time.sleep(1.0)
    expected = [token(card) for card in sent(box)]
    assert len(expected) > 60
    read = [row["data"]["subject"]["token"] for row in records(box, "credential.read")]  # type: ignore[index]
    lost = set(expected) - set(read)
    assert not lost, f"{len(lost)} of {len(expected)} cards are lost"
    assert [card for card in read if card in set(expected)] == expected, "a card was told twice, or out of turn"
    box.sh("punchgate journal verify")


def warnings(box: Box) -> str:
    return box.sh(f"punchgate status --json | python3 -c '{STATUS}' warnings")


def gap_s(box: Box) -> float:
    """From the last stop to the first port of the release that came after it."""
    stopped = json.loads(box.sh("journalctl -u punchgate -o cat | grep gateway.stopped | tail -n 1"))
    up = json.loads(box.sh("journalctl -u punchgate -o cat | grep port.up | tail -n 1"))
    return seconds(up["timestamp"]) - seconds(stopped["timestamp"])


@pytest.mark.alone
def test_an_upgrade_over_the_previous_package_loses_nothing_and_keeps_the_release_before(box: Box) -> None:
    begin(box, deb(OLD))
    box.sh(deb(NEW))
    assert box.sh("punchgate-release").splitlines() == [
        f"punchgate: {OLD}: previous",
        f"punchgate: {NEW}: current good",
    ]
    assert 0 < gap_s(box) <= GAP_S
    assert warnings(box) == "[]\n"
    box.sh("punchgate-release back")
    box.eventually("punchgate status")
    assert f"{OLD} was chosen over {NEW} by hand" in warnings(box)
    assert_nothing_is_lost(box)


def test_a_large_journal_is_copied_for_longer_than_a_start_may_take_and_the_release_stays(box: Box) -> None:
    begin(box, deb(OLD))
    box.put("/etc/systemd/system/punchgate.service.d/short.conf", f"[Service]\nTimeoutStartSec={START_S}\n")
    box.sh("systemctl daemon-reload")
    started = time.monotonic()
    box.sh(deb(SLOW))
    assert f"{SLOW}: current good" in box.sh("punchgate-release")
    pages = int(box.sh("stat -c %s /var/lib/punchgate/journal.sqlite.v2.bak")) // 4096
    assert pages >= later.SLOW_STEPS
    assert time.monotonic() - started > later.SLOW_STEPS * later.SLOW_STEP_S > START_S
    assert warnings(box) == "[]\n"
    box.sh("punchgate journal verify")


def test_a_release_that_is_not_on_trial_may_start_for_longer_than_the_unit_allows(box: Box) -> None:
    """The first one, and again when it has stayed up: a slow machine would break each start off."""
    box.sh(deb(LATE))
    configure(box)
    box.sh(READER)
    box.eventually("test -e /run/reader/port")
    box.put("/etc/systemd/system/punchgate.service.d/short.conf", f"[Service]\nTimeoutStartSec={LATE_S / 2:.0f}\n")
    box.sh("systemctl daemon-reload; systemctl start punchgate")
    box.eventually(f"/usr/lib/punchgate/keeper | grep '{LATE}: current good'")
    box.sh("systemctl restart punchgate")
    assert box.sh("systemctl show -P NRestarts punchgate") == "0\n"


@pytest.mark.parametrize("kind", KINDS)
def test_a_release_that_is_no_good_makes_way_by_itself_and_is_not_tried_again(box: Box, kind: str) -> None:
    bad = f"{BAD}{kind.replace('_', '')}"
    begin(box, deb(OLD))
    said = box.sh(deb(bad))
    assert f"{bad} did not stay up" in said or f"{bad} does not start on this system" in said
    box.eventually("punchgate status")
    assert f"release: {bad} d" in warnings(box)
    before = box.sh("systemctl show -P MainPID punchgate")
    assert_nothing_is_lost(box)
    assert box.sh("systemctl show -P MainPID punchgate") == before, "it was tried again"
    box.sh("systemctl restart punchgate")
    assert f"{OLD}: current good" in box.sh("punchgate-release")
    box.sh(deb(BEST))
    assert f"{BEST}: current good" in box.sh("punchgate-release")
    assert warnings(box) == "[]\n"


def test_the_installer_goes_back_in_the_same_way(box: Box) -> None:
    box.sh("mkdir -p /usr/sbin && ln -s /usr/local/bin/punchgate /usr/bin/punchgate")
    begin(box, f"sh /media/stick/{OLD}.run")
    said = box.sh(f"sh /media/stick/{BAD}dies.run", code=1)
    assert f"{BAD}dies did not stay up" in said
    box.eventually("punchgate status")
    assert f"{OLD}: current good" in box.sh("/opt/punchgate/keeper")
    assert f"release: {BAD}dies did not stay up" in warnings(box)
    assert_nothing_is_lost(box)


def test_killed_at_any_moment_an_upgrade_leaves_one_that_runs_and_can_be_finished(box: Box) -> None:
    begin(box, deb(OLD))
    versions = [NEW, OLD]
    for number, moment_s in enumerate((0.2, 0.5, 0.8, 1.2, 1.6, 2.2, 3.0, 5.0)):
        version = versions[number % 2]
        install = f"dpkg --force-downgrade --install /media/stick/{version}.deb"
        box.sh(f"setsid sh -c '{install}' >/tmp/said 2>&1 & sleep {moment_s}; kill -9 -$!")
        box.sh("punchgate --version; systemctl daemon-reload; systemctl restart punchgate")
        box.eventually("punchgate status")
        box.sh("while fuser /var/lib/dpkg/lock 2>/dev/null; do sleep 0.1; done; dpkg --configure -a", code=None)
    box.sh(deb(BEST))
    assert f"{BEST}: current good" in box.sh("punchgate-release")
    assert_nothing_is_lost(box)


def test_what_was_installed_before_releases_were_kept_can_be_gone_back_to(box: Box) -> None:
    begin(box, deb(OLDEST))
    said = box.sh(deb(f"{BAD}raiseslate"))
    assert f"{BAD}raiseslate did not stay up" in said
    box.eventually("punchgate status")
    assert f"{OLDEST}: current good" in box.sh("punchgate-release")
    assert_nothing_is_lost(box)

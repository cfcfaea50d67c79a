"""What a gateway says about itself at the broker: state, devices, will; and how it starts, stops and reloads."""

from __future__ import annotations

import os
import signal
import time

import pytest

from .ear import Ear
from .site import Site, eventually

pytestmark = pytest.mark.needs("mosquitto")

STATE_KEYS = {"status", "epoch", "oldest", "newest", "settled", "head", "version", "boot", "clock", "time"}
DEVICE_KEYS = {"status", "driver", "since", "last_frame"}


def _status(ear: Ear) -> str:
    return str(ear.on("state")[-1].json()["status"])


def test_state_and_devices_are_retained_and_say_what_the_contract_promises(site: Site, ear: Ear) -> None:
    site.reader("reader-1")
    site.reader("reader-2").port.unplug()
    site.start()
    site.wait_up("reader-1")
    ear.wait(lambda: _status(ear) == "online")
    ear.wait(lambda: ear.on("device/reader-1") and ear.on("device/reader-1")[-1].json()["status"] == "up")
    host, port = site.url.removeprefix("mqtt://").split(":")
    with Ear(host, int(port), site.prefix) as late:
        late.wait(lambda: late.on("state") and late.on("device/reader-1") and late.on("device/reader-2"))
        state, device = late.on("state")[0], late.on("device/reader-1")[0]
        assert state.retained
        assert device.retained
        assert set(state.json()) >= STATE_KEYS
        assert set(device.json()) >= DEVICE_KEYS
        assert late.on("device/reader-2")[0].json()["status"] == "down"
        assert late.on("records", "replay") == []


def test_devices_are_published_before_any_record(site: Site, ear: Ear) -> None:
    site.reader("reader-1").swipe("0C00000001")
    site.start()
    ear.wait_records("credential.read", 1)
    leaves = [it.leaf for it in ear.heard]
    assert leaves.index("device/reader-1") < min(leaves.index(leaf) for leaf in {"records", "replay"} & set(leaves))


def test_the_broker_says_offline_after_a_kill_and_the_epoch_goes_on(site: Site, ear: Ear) -> None:
    site.reader("reader-1")
    daemon = site.start()
    ear.wait(lambda: _status(ear) == "online")
    epoch = site.status()["epoch"]
    daemon.kill()
    ear.wait(lambda: _status(ear) == "offline")
    assert ear.on("state")[-1].json()["epoch"] == epoch
    assert set(ear.on("state")[-1].json()) >= STATE_KEYS
    site.start()
    ear.wait(lambda: _status(ear) == "online")
    assert site.status()["epoch"] == epoch


@pytest.mark.alone
def test_sigterm_records_the_stop_says_offline_and_exits_0(site: Site, ear: Ear) -> None:
    site.reader("reader-1")
    site.centre()
    daemon = site.start()
    site.wait_up()
    site.wait_connected()
    began = time.monotonic()
    assert daemon.stop() == 0
    assert time.monotonic() - began < 5.0
    ear.wait(lambda: _status(ear) == "offline")
    assert set(ear.on("state")[-1].json()) >= STATE_KEYS
    ear.wait_records("gateway.stopped", 1)
    assert ear.records()[-1]["type"] == "punchgate.gateway.stopped.v1"
    assert not (site.state_dir / "status.sock").exists()
    eventually(lambda: site.events()[-1]["type"] == "punchgate.gateway.stopped.v1")
    assert site.verify()["last"] == len(site.export())


@pytest.mark.alone
def test_sigterm_is_obeyed_while_the_broker_is_away(make_site: object) -> None:
    site: Site = make_site("mqtt://127.0.0.1:1")  # type: ignore[operator]
    reader = site.reader("reader-1")
    daemon = site.start()
    site.wait_up()
    reader.swipe("0C00000001")
    began = time.monotonic()
    assert daemon.stop() == 0
    assert time.monotonic() - began < 5.0


def test_sighup_applies_another_broker_and_names_what_needs_a_restart(site: Site, ear: Ear) -> None:
    site.reader("reader-1")
    good = site.tables["uplink"]["url"]
    site.tables["uplink"]["url"] = "mqtt://127.0.0.1:1"
    daemon = site.start()
    site.wait_reason("refused")
    site.tables["uplink"]["url"] = good
    site.tables["journal"] = {"max_mb": 77}
    site.write()
    os.kill(daemon.pid, signal.SIGHUP)
    ear.wait(lambda: _status(ear) == "online")
    applied = daemon.wait_for("config.applied")
    assert applied["restart_needed_for"] == ["journal"]
    ear.wait_records("config.applied", 1)


def test_sighup_with_a_broken_file_changes_nothing_and_says_so(site: Site) -> None:
    site.reader("reader-1")
    daemon = site.start()
    site.wait_connected()
    site.file.write_text("[gateway\n")
    os.kill(daemon.pid, signal.SIGHUP)
    assert str(site.file) in daemon.wait_for("config.unchanged")["reason"]
    assert site.status()["uplink"]["connected"]


def test_a_stop_and_a_start_replay_nothing_that_is_settled(site: Site, ear: Ear) -> None:
    reader = site.reader("reader-1")
    site.centre()
    site.start()
    site.wait_up()
    site.wait_connected()
    reader.swipe("0C00000001")
    newest = site.wait_settled(newest=4)
    assert site.daemon is not None
    assert site.daemon.stop() == 0
    site.start()
    site.wait_settled(newest=newest + 3)
    seqs = [it["data"]["seq"] for it in ear.records(leaves=("replay",))]
    assert [seq for seq in seqs if seq <= newest] == []

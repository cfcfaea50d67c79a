"""The demo's parts, each for itself: site, peak, picture, listener, children."""

import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from config.driverfacts import DriverFacts
from config.load import load, load_centre
from drivers.registry import catalog, make_options
from gateway.errors import Unavailable
from gateway.simulation import demo_site
from gateway.simulation.broker import Broker, iotcore
from gateway.simulation.children import PYTHON, Child
from gateway.simulation.demo_acts import Cast, day, peak
from gateway.simulation.demo_show import Show
from gateway.simulation.demo_site import Site, build
from gateway.simulation.listener import Heard, Listener
from gateway.simulation.oracle import Presented
from gateway.simulation.people import Fact
from gateway.wire import pack


@pytest.fixture
def site(tmp_path: Path):
    with Broker(iotcore()) as broker:
        made = build(tmp_path, 5, broker)
        yield made
        made.close()


def test_the_demo_writes_configurations_that_the_daemons_accept(site: Site) -> None:
    facts = {spec.name: DriverFacts.of(spec, make_options) for spec in catalog()}
    settings = load(site.gateway_file, drivers=facts, environ={})
    assert [lane.sensor for lane in settings.lanes] == ["per_direction", "none"] * 2 + ["per_direction"]
    assert len(settings.ports) == 15
    assert load_centre(site.centre_file, {}).centre.share == ""


def test_the_organisation_key_is_for_its_owner_alone(site: Site) -> None:
    assert stat.S_IMODE((site.folder / "organisation.key").stat().st_mode) == 0o600


@pytest.mark.parametrize(("people", "outage_s"), [(1, 10.0), (20, 2.0), (200, 10.0), (20, 0.0)])
def test_a_peak_is_long_enough_for_the_outage_and_short_enough_to_watch(
    site: Site, people: int, outage_s: float
) -> None:
    gates = site.gates[:4]
    length_s = sum(peak(gates, Cast(people, seed, outage_s))[-1].at_s for seed in range(5)) / 5
    assert length_s < 50
    if people > 1:
        assert length_s > outage_s + 1


def test_a_day_never_ends_and_never_goes_back_in_time(site: Site) -> None:
    steps = day(site.gates, Cast(10, 1, 0.0))
    times = [next(steps).at_s for _ in range(2000)]
    assert times == sorted(times)


RECEIPT = {"epoch": "5c1f0a9be2d74f11", "through": 0, "seen": 0, "missing": []}


def punch(seq: int, time_text: str, outcome: str = "assumed", passes: tuple[int, ...] = ()) -> dict[str, object]:
    data = {"seq": seq, "epoch": "5c1f0a9be2d74f11", "tz": "Asia/Shanghai", "lane": "lobby-2", "direction": "in"}
    data |= {"outcome": outcome, "subject": {"token": "k1:9f3c0000"}, "refs": {"read": 1, "passes": passes}}
    return {"type": "punchgate.punch.v1", "time": time_text, "data": data}


def heard(topic: str, message: object, at_s: float | None = None) -> Heard:
    return Heard(time.time() if at_s is None else at_s, topic, json.dumps(message).encode(), None)


def test_a_punch_is_printed_when_its_way_is_over(capsys: pytest.CaptureFixture[str]) -> None:
    show = Show("mosquitto", terminal=False)
    show.hear(heard("records", punch(2, "2026-11-23T00:31:07.412Z")))
    show.draw()
    assert capsys.readouterr().out == ""
    show.hear(heard("receipt", RECEIPT | {"through": 2, "seen": 2}))
    show.draw()
    line = capsys.readouterr().out
    assert line.startswith("08:31:07.412 lobby-2  in")
    assert "read→durable→published" in line
    assert "→committed" in line


def test_a_live_punch_is_timed_from_the_frame_and_a_replayed_one_from_its_record() -> None:
    show = Show("mosquitto", terminal=False)
    show.present(Presented(Fact("read", "lobby-2", "in-2", "in", "assumed", "em4100", "0C000621A5"), 0))
    now_s = time.time()
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now_s)) + f".{int(now_s % 1 * 1000):03d}Z"
    show.hear(heard("records", punch(2, text), now_s + 0.004))
    show.hear(heard("replay", punch(3, "2026-11-23T00:31:07.412Z"), 1795393876.412))
    live, replayed = show._travelling.values()
    assert live.ms == pytest.approx(4, abs=3)
    assert replayed.ms == pytest.approx(9000, abs=1)


def test_a_punch_behind_a_hole_is_committed_and_one_in_it_is_not() -> None:
    show = Show("mosquitto", terminal=True)
    for seq in (3, 4, 5):
        show.hear(heard("records", punch(seq, "2026-11-23T00:31:07.412Z")))
    show.hear(heard("receipt", RECEIPT | {"through": 2, "seen": 4, "missing": [[3, 3]]}))
    assert [each.committed_ms is not None for each in show._travelling.values()] == [False, True, False]


def test_a_punch_that_is_sent_again_is_counted_once() -> None:
    show = Show("mosquitto", terminal=False)
    for topic in ("records", "replay"):
        show.hear(heard(topic, punch(2, "2026-11-23T00:31:07.412Z")))
    show.hear(heard("receipt", RECEIPT | {"through": 2, "seen": 2}))
    show.draw()
    show.hear(heard("replay", punch(2, "2026-11-23T00:31:07.412Z")))
    assert show.punches.total() == 1


def test_messages_that_are_not_ours_are_not_shown() -> None:
    show = Show("mosquitto", terminal=False)
    for body in (b"", b"[]", b"not json", b'{"type":1}', b'{"data":null}', b"\xff"):
        for topic in ("records", "replay", "receipt", "state", "device/x"):
            show.hear(Heard(0.0, topic, body, None))
    show.hear(Heard(0.0, "records", b"not deflated", "deflate"))
    assert not show.punches


def test_on_a_terminal_the_latest_punches_stay_above_the_footer(capsys: pytest.CaptureFixture[str]) -> None:
    show = Show("mosquitto", terminal=True)
    show.hear(heard("records", punch(2, "2026-11-23T00:31:07.412Z")))
    show.draw()
    show.draw()
    show.hear(heard("receipt", RECEIPT | {"through": 2, "seen": 2}))
    show.draw()
    drawn = capsys.readouterr().out
    assert drawn.count("lobby-2  in") == 2
    assert "\x1b[4F\x1b[J" in drawn


def test_the_listener_hears_again_after_the_broker_came_back() -> None:
    with Broker(iotcore()) as broker:
        listener, talker = (Listener("127.0.0.1", broker.port, demo_site.PREFIX) for _ in range(2))
        listener.start()
        talker.start()
        broker.restart()
        batch = pack([b"a" * 1000, b"b" * 1000], deflate=True)
        deadline = time.monotonic() + 5
        while listener.heard.empty() and time.monotonic() < deadline:
            talker._client.publish(f"{demo_site.PREFIX}/demo/edge-01/records", batch.body, 0)
            time.sleep(0.05)
        message = listener.heard.get(timeout=1)
        listener.stop()
        talker.stop()
    assert (message.topic, message.body) == ("records", batch.body)


def test_a_child_that_dies_is_reported_with_the_end_of_its_log(tmp_path: Path) -> None:
    child = Child("gateway", ["sh", "-c", "echo port missing >&2; exit 78"], tmp_path / "log")
    child.start()
    while child.running:
        time.sleep(0.01)
    with pytest.raises(Unavailable, match=r"gateway has ended \(exit 78\)(.|\n)*port missing"):
        child.require_running()


def test_a_child_that_cannot_be_started_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="nothing does not start"):
        Child("nothing", [str(tmp_path / "missing")], tmp_path / "log").start()


def test_a_child_dies_with_its_parent_even_if_that_is_killed(tmp_path: Path) -> None:
    program = (
        "import pathlib, sys, time\n"
        "from gateway.simulation.children import Child\n"
        "child = Child('sleeper', ['sleep', '60'], pathlib.Path(sys.argv[1]))\n"
        "child.start()\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "log")], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    orphan = int(parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 3
    while _alive(orphan) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _alive(orphan)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False


def test_a_child_finds_the_libraries_that_its_parent_was_given_by_a_launcher(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bundled.py").write_text("print('found')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    for surroundings in (None, {"PATH": os.environ["PATH"]}):
        child = Child("child", [*PYTHON, "-c", "import bundled"], tmp_path / "log", surroundings)
        child.start()
        deadline = time.monotonic() + 10
        while child.running and time.monotonic() < deadline:
            time.sleep(0.01)
        assert (child.exit_code, child.tail().strip()) == (0, "found")
        child.log.unlink()

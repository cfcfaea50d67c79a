"""The centre against a real broker: kills, redelivery, several consumers, messages that make no sense."""

from __future__ import annotations

import itertools
import random
import resource
import shutil
import time
import zlib
from pathlib import Path

import pytest
from centre_bench import Bench, CentreProcess, FakeGateway, eventually
from centre_lines import EPOCH, chain, line

from gateway.simulation.broker import Broker, Make, mosquitto
from gateway.wire import pack

pytestmark = pytest.mark.needs("mosquitto")


def batches(lines: list[bytes], size: int) -> list[list[bytes]]:
    return (
        [list(part) for part in itertools.batched(lines, size)]
        if hasattr(itertools, "batched")
        else [lines[at : at + size] for at in range(0, len(lines), size)]
    )


def kinds(centre: CentreProcess) -> set[str]:
    return {event["part"] for event in centre.events("message.malformed")}


def test_a_punch_is_in_the_ledger_and_receipted_at_once(bench: Bench) -> None:
    bench.centre()
    gateway, (punch,) = bench.gateway(), chain(1)
    start = time.monotonic()
    gateway.send([punch])
    receipt = gateway.wait_through(1)
    assert gateway.arrived[0] - start < 1.0
    assert (receipt.seen, receipt.missing, receipt.epoch) == (1, [], EPOCH)
    assert bench.stored() == [punch]


def test_a_replay_is_receipted_within_a_fifth_of_a_second_and_not_more_often_than_every_tenth(bench: Bench) -> None:
    bench.centre()
    gateway, lines = bench.gateway(), chain(3000)
    sent: list[tuple[int, float]] = []
    for at, batch in enumerate(batches(lines, 50)):
        gateway.send(batch, "replay")
        sent.append(((at + 1) * 50, time.monotonic()))
        time.sleep(0.01)
    gateway.wait_through(3000)
    lags = []
    for seq, at in sent:
        first = next(i for i, receipt in enumerate(gateway.receipts) if receipt.through >= seq)
        lags.append(gateway.arrived[first] - at)
    assert sorted(lags)[len(lags) * 9 // 10] < 0.2
    gaps = [later - earlier for earlier, later in itertools.pairwise(gateway.arrived)]
    assert sorted(gaps)[len(gaps) // 4] > 0.08


def test_a_gateway_that_comes_online_is_told_where_it_stands(bench: Bench) -> None:
    bench.centre()
    gateway = bench.gateway()
    gateway.say(newest=0, settled=0)
    receipt = eventually(gateway.last)
    assert (receipt.through, receipt.seen) == (0, 0)


def test_a_centre_that_comes_back_answers_the_gateways_that_are_online(bench: Bench) -> None:
    bench.centre().stop()
    gateway = bench.gateway()
    gateway.say(newest=0, settled=0)
    bench.centre()
    eventually(gateway.last)


def test_a_gateway_that_connects_later_has_the_last_receipt_at_once(bench: Bench) -> None:
    bench.centre()
    gateway = bench.gateway()
    gateway.send(chain(1))
    gateway.wait_through(1)
    gateway.close()
    late = FakeGateway(bench.broker)
    late.wait_through(1)
    late.close()


@pytest.mark.alone
def test_a_hole_is_listed_after_five_seconds_and_closes_when_it_is_filled(bench: Bench) -> None:
    bench.centre()
    gateway, lines = bench.gateway(), chain(9)
    gateway.send([*lines[:3], *lines[5:]])
    start = time.monotonic()
    assert gateway.wait_through(3).seen == 3
    listed = eventually(lambda: next((it for it in gateway.receipts if it.missing), None))
    assert 4.5 < time.monotonic() - start < 6.5
    assert (listed.missing, listed.seen) == ([(4, 5)], 9)
    gateway.send(lines[3:5], "replay")
    assert gateway.wait_through(9).missing == []


def test_killed_again_and_again_the_centre_loses_nothing_and_doubles_nothing(bench: Bench) -> None:
    lines, seed = chain(4000), random.Random(7)
    centre = bench.centre()
    gateway = bench.gateway()
    for number, batch in enumerate(batches(lines, 25)):
        gateway.send(batch)
        if number % 40 == 20:
            time.sleep(seed.random() * 0.02)
            centre.kill()
            centre = bench.start_centre()
    gateway.wait_through(4000)
    assert bench.stored() == lines
    assert bench.coverage().streams[0].held == 4000
    assert not bench.coverage().streams[0].is_finding


def test_two_consumers_share_the_records_and_one_ledger(bench: Bench) -> None:
    lines = chain(3000)
    centres = [bench.centre("a"), bench.centre("b")]
    gateway = bench.gateway()
    order = batches(lines, 20)
    random.Random(3).shuffle(order)
    for batch in order:
        gateway.send(batch, "replay")
    gateway.wait_through(3000)
    assert bench.stored() == lines
    assert all(centre.events("centre.committed") for centre in centres)
    numbers = [receipt.receipt for receipt in gateway.receipts]
    assert len(set(numbers)) == len(numbers)
    assert {receipt.service for receipt in gateway.receipts} == {
        centre.events("centre.started")[0]["service"] for centre in centres
    }
    assert len({receipt.ledger for receipt in gateway.receipts}) == 1


def test_when_one_of_two_consumers_is_killed_what_it_held_comes_to_it_again(bench: Bench) -> None:
    lines = chain(2000)
    bench.centre("a")
    other = bench.centre("b")
    gateway = bench.gateway()
    for number, batch in enumerate(batches(lines, 20)):
        gateway.send(batch)
        if number == 50:
            other.kill()
            other = bench.start_centre("b")
    gateway.wait_through(2000)
    assert bench.stored() == lines


def test_processes_on_one_state_directory_have_different_client_ids_that_outlive_them(bench: Bench) -> None:
    one, two = bench.centre("a"), bench.centre("a")
    ids = [centre.events("centre.started")[0]["client_id"] for centre in (one, two)]
    assert ids[0] != ids[1]
    one.kill()
    assert bench.centre("a").events("centre.started")[0]["client_id"] == ids[0]
    assert bench.centre("b").events("centre.started")[0]["client_id"] not in ids


def test_messages_that_make_no_sense_are_counted_and_stop_nothing(bench: Bench) -> None:
    centre = bench.centre()
    gateway, lines = bench.gateway(), chain(40)
    bomb = zlib.compress(b"\n" * 64 * 1024 * 1024)
    rubbish: list[tuple[bytes, str | None]] = [
        (b"", None),
        (b"\x00\xff" * 1000, None),
        (b"{}\nnull\n[]", None),
        (bomb, "deflate"),
        (zlib.compress(b"x" * 5000)[:-4], "deflate"),
        (b"not zlib", "deflate"),
        (lines[0], "brotli"),
    ]
    for body, encoding in rubbish * 3:
        gateway.send_raw(body, encoding=encoding)
        gateway.send_raw(body, "replay", encoding=encoding, qos=0)
        gateway.send_raw(body, "state")
    gateway.send(lines)
    gateway.wait_through(40)
    assert bench.stored() == lines
    assert kinds(centre) == {"line", "batch", "state"}
    assert len(centre.events("message.malformed")) == 3, "said once a minute for each kind"
    assert centre.stop() == 0


def test_rubbish_is_acknowledged_so_that_it_does_not_come_again(bench: Bench) -> None:
    centre = bench.centre()
    gateway = bench.gateway()
    gateway.send_raw(b"rubbish", encoding="deflate")
    centre.wait_for("message.malformed")
    eventually(lambda: centre.events("centre.committed"))
    time.sleep(0.3)
    centre.kill()
    again = bench.centre()
    time.sleep(0.5)
    assert again.events("broker.connected")[0]["resumed"] is True
    assert again.events("message.malformed") == []


def test_a_conflict_is_said_and_both_lines_are_kept(bench: Bench) -> None:
    centre = bench.centre()
    gateway, lines = bench.gateway(), chain(2)
    gateway.send(lines)
    other = line(2, "e" * 64, subject={"token": "k1:feedbeef"})
    gateway.send([other], "replay")
    conflict = centre.wait_for("record.conflict")
    assert (conflict["stream"], conflict["seq"]) == (f"hq/edge-01/{EPOCH}", 2)
    assert bench.stored() == [*lines, other]
    assert bench.coverage().streams[0].conflicts == [2]
    assert "feedbeef" not in centre.log.read_text()


def test_the_broker_may_come_after_the_centre_and_go_and_come_again(bench: Bench) -> None:
    bench.broker.stop()
    centre = bench.start_centre()
    lost = centre.wait_for("broker.lost")
    assert "is the broker running" in lost["remedy"]
    bench.broker.start()
    eventually(lambda: centre.events("broker.connected"))
    gateway, lines = bench.gateway(), chain(4)
    gateway.send(lines[:2])
    gateway.wait_through(2)
    bench.broker.restart()
    eventually(lambda: len(centre.events("broker.connected")) == 2)
    time.sleep(1.5)
    gateway.send(lines[2:])
    gateway.wait_through(4)
    assert bench.stored() == lines


def test_a_full_disk_acknowledges_nothing_and_catches_up_when_there_is_room(bench: Bench) -> None:
    centre = bench.centre()
    gateway, lines = bench.gateway(), chain(1200)
    gateway.send(lines[:200])
    gateway.wait_through(200)
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    resource.prlimit(centre.pid, resource.RLIMIT_FSIZE, (64 * 1024, resource.RLIM_INFINITY))
    for batch in batches(lines[200:], 100):
        gateway.send(batch)
    failed = centre.wait_for("ledger.failed")
    assert "look at the disk" in failed["remedy"]
    time.sleep(1)
    assert max(receipt.seen for receipt in gateway.receipts) < 1200
    resource.prlimit(centre.pid, resource.RLIMIT_FSIZE, unlimited)
    gateway.wait_through(1200)
    assert bench.stored() == lines
    assert centre.stop() == 0


def test_a_restored_backup_is_a_new_ledger_to_the_gateway(bench: Bench) -> None:
    centre = bench.centre()
    gateway, lines = bench.gateway(), chain(30)
    gateway.send(lines[:10])
    before = gateway.wait_through(10)
    centre.stop()
    backup = Path(bench.database).read_bytes()
    centre = bench.centre()
    gateway.send(lines[10:20])
    gateway.wait_through(20)
    centre.stop()
    Path(bench.database).write_bytes(backup)
    centre = bench.centre()
    gateway.say(newest=20, settled=20, oldest=5)
    assert centre.wait_for("ledger.restored")["settled"] == 20
    fresh = eventually(lambda: next((it for it in gateway.receipts if it.ledger != before.ledger), None))
    assert fresh.through == 10
    gateway.send(lines[10:], "replay")
    gateway.wait_through(30)
    assert bench.stored() == lines


def test_refused_credentials_are_said_with_what_to_do_and_tried_again(bench: Bench) -> None:
    plain = mosquitto(shutil.which("mosquitto") or "")
    closed = Make(
        name="closed",
        shared_subscriptions=True,
        settings=lambda port: plain.settings(port).replace("allow_anonymous true", "allow_anonymous false"),
        command=plain.command,
    )
    with Broker(closed, bench.folder) as broker:
        centre = bench.start_centre(url=broker.url)
        said = eventually(lambda: [it for it in centre.events("broker.lost") if "ACL" in it["remedy"]])
        assert "Not authorized" in said[0]["reason"]
        assert centre.running


def test_reordered_batches_from_many_gateways_all_find_their_place(bench: Bench) -> None:
    bench.centre()
    gateways = {name: bench.gateway(gateway=name) for name in ("edge-01", "edge-02", "edge-03")}
    lines = {name: chain(300, gateway=name) for name in gateways}
    todo = [(name, batch) for name in gateways for batch in batches(lines[name], 10) * 2]
    random.Random(11).shuffle(todo)
    for name, batch in todo:
        gateways[name].send(batch, random.choice(["records", "replay"]), deflate=random.random() < 0.5)
    for name, gateway in gateways.items():
        gateway.wait_through(300)
        assert {receipt.epoch for receipt in gateway.receipts} == {EPOCH}, name
    assert bench.stored() == [each for name in sorted(lines) for each in lines[name]]


def test_an_uncompressed_message_of_several_megabytes_is_taken(bench: Bench) -> None:
    bench.centre()
    gateway, lines = bench.gateway(), chain(2000, padding="x" * 1000)
    gateway.send_raw(pack(lines, deflate=False).body)
    gateway.wait_through(2000)


@pytest.mark.alone
def test_a_receipt_is_not_held_back_behind_its_acknowledgement(bench: Bench) -> None:
    bench.centre()
    gateway, took = bench.gateway(), []
    for number, punch in enumerate(chain(21), start=1):
        start = time.monotonic()
        gateway.send([punch])
        gateway.wait_through(number)
        took.append(gateway.arrived[-1] - start)
        time.sleep(0.12)
    assert sorted(took)[10] < 0.035, "Nagle costs 40 ms"

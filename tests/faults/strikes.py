"""How each kind of fault is done and undone. A strike returns what mends it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import random
import shutil
import signal
import threading
from collections.abc import Callable
from pathlib import Path

from gateway.simulation.wire import Wire

from . import disk
from .disk import Mend
from .plan import Fault
from .proxy import Proxy, Way
from .stage import Stage

BABBLE_EVERY_S = 0.01
LEDGER_FILES = ("ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm")
FOREIGN_EPOCH = "f" * 16


def strike(stage: Stage, fault: Fault) -> Mend:
    """Do it now. The answer undoes it; it may be called late, or at once."""
    target, name = fault.kind.target, fault.kind.name
    if target in stage.links:
        return _network(stage.links[target], name, fault.value)
    return _STRIKES[target, name](stage, fault.value)


def _network(link: Proxy, name: str, value: float) -> Mend:
    match name:
        case "cut":
            link.cut()
        case "refuse":
            link.refuse()
        case "delay":
            link.delay(0.02 + 0.3 * value)
        case "half_open":
            link.swallow(("up", "down"))
        case "deaf":
            ways: tuple[Way, Way] = ("up", "down")
            link.swallow((ways[value < 0.7],))
    return link.heal


# --- gateway


def _kill_gateway(stage: Stage, _: float) -> Mend:
    stage.kill_gateway()
    return stage.start_gateway


def _terminate_gateway(stage: Stage, _: float) -> Mend:
    stage.terminate_gateway()
    return stage.start_gateway


def _stop_gateway(stage: Stage, _: float) -> Mend:
    stage.signal("gateway", signal.SIGSTOP)
    return lambda: stage.signal("gateway", signal.SIGCONT)


# --- broker, centre


def _wipe_broker(stage: Stage, _: float) -> Mend:
    """Killed; it keeps nothing on disk, so it comes back empty."""
    stage.broker.kill()
    return stage.broker.start


def _freeze_broker(stage: Stage, _: float) -> Mend:
    stage.signal("broker", signal.SIGSTOP)
    return lambda: stage.signal("broker", signal.SIGCONT)


def _kill_centre(stage: Stage, _: float) -> Mend:
    stage.kill_centre()
    return stage.start_centre


def _stop_centre(stage: Stage, _: float) -> Mend:
    stage.signal("centre", signal.SIGSTOP)
    return lambda: stage.signal("centre", signal.SIGCONT)


def _lock_ledger(stage: Stage, _: float) -> Mend:
    """Somebody else writes to the ledger, for seconds."""
    file = (stage.site.folder / "ledger.sqlite.lock").open("ab")
    fcntl.flock(file, fcntl.LOCK_EX)
    return file.close


def _restore_ledger(stage: Stage, _: float) -> Mend:
    """The centre's database, as it is now, comes back as a backup later."""
    stage.kill_centre()
    backup = stage.folder / "backup"
    backup.mkdir(exist_ok=True)
    _copy(stage.site.folder, backup)
    stage.start_centre()

    def restore() -> None:
        stage.kill_centre()
        _copy(backup, stage.site.folder)
        stage.start_centre()
        stage.links["gateway_link"].cut()  # back at the broker it says its state; without that it does every 30 s

    return restore


def _copy(source: Path, target: Path) -> None:
    for name in LEDGER_FILES:
        (target / name).unlink(missing_ok=True)
        if (source / name).exists():
            shutil.copy2(source / name, target)


# --- ports


def _unplug(stage: Stage, value: float) -> Mend:
    wire = _one_of(stage, value)
    wire.unplug()
    return wire.plug


def _babble(stage: Stage, value: float) -> Mend:
    """A bad contact: bytes of any kind, between the frames, without an end."""
    wire, over, rng = _one_of(stage, value), threading.Event(), random.Random(value)

    def babble() -> None:
        while not over.wait(BABBLE_EVERY_S):
            wire.disturb(rng.randbytes(rng.randint(1, 40)))

    thread = threading.Thread(target=babble, daemon=True)
    thread.start()

    def mend() -> None:
        over.set()
        thread.join()

    return mend


def _hold(stage: Stage, value: float) -> Mend:
    """Plugged in again, and another program has it, which hangs: the port is there and cannot be had."""
    wire = _one_of(stage, value)
    wire.unplug()
    wire.plug()
    held = os.open(wire.port.path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    with contextlib.suppress(BlockingIOError):  # the daemon was faster
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return lambda: os.close(held)


def _one_of(stage: Stage, value: float) -> Wire:
    return stage.wires[int(value * len(stage.wires))]


# --- receipts


def _repeated(stage: Stage, value: float) -> Mend:
    return _publish(stage, [_old(stage)[-1]] * 5 if _old(stage) else [])


def _shuffled(stage: Stage, value: float) -> Mend:
    old = _old(stage)
    return _publish(stage, random.Random(value).sample(old, min(20, len(old))))


def _forged(stage: Stage, value: float) -> Mend:
    """What no centre has said. Without signatures only what contradicts itself can be told from the truth."""
    heard = [json.loads(body) for body in _old(stage)[-1:]] or [{"epoch": FOREIGN_EPOCH, "ledger": "x"}]
    lie = heard[0] | {"receipt": 2**40, "through": 10**6, "seen": 10**6, "missing": []}
    junk = [
        b"", b"null", b"\xff\xfe{}", b'{"ledger":' * 1000, json.dumps(lie | {"epoch": FOREIGN_EPOCH}).encode(),
        json.dumps(lie | {"seen": 1}).encode(), json.dumps(lie | {"missing": [[9, 1]]}).encode(),
    ]  # fmt: skip
    if stage.plan.signed:
        unsigned = {key: word for key, word in lie.items() if key != "sig"}
        junk += [json.dumps(it).encode() for it in (lie, unsigned, lie | {"sig": "A" * 86}, lie | {"sig": 7})]
    random.Random(value).shuffle(junk)
    stage.lies.update(junk)
    return _publish(stage, junk)


def _old(stage: Stage) -> list[bytes]:
    """What the centre has said, without what we have put into its mouth."""
    return [heard.body for heard in stage.ear.on("receipt") if heard.body not in stage.lies]


def _publish(stage: Stage, bodies: list[bytes]) -> Mend:
    """As anybody at the broker could; some of it kept there."""
    topic = f"{stage.site.prefix}/hq/{stage.site.name}/receipt"
    for number, body in enumerate(bodies):
        stage.ear.client.publish(topic, body, qos=1, retain=number % 2 == 0)
    return lambda: None


_STRIKES: dict[tuple[str, str], Callable[[Stage, float], Mend]] = {
    ("gateway", "kill"): _kill_gateway,
    ("gateway", "terminate"): _terminate_gateway,
    ("gateway", "stop"): _stop_gateway,
    ("gateway", "sync_fails"): lambda stage, value: disk.sync(stage, "error=EIO", value),
    ("gateway", "sync_kills"): lambda stage, value: disk.sync(stage, "signal=SIGKILL", value),
    ("gateway", "write_fails"): disk.refuse,
    ("gateway", "slow_disk"): disk.slow,
    ("gateway", "disk_full"): disk.fill,
    ("gateway", "read_only"): disk.read_only,
    ("broker", "wipe"): _wipe_broker,
    ("broker", "freeze"): _freeze_broker,
    ("centre", "kill"): _kill_centre,
    ("centre", "stop"): _stop_centre,
    ("centre", "lock"): _lock_ledger,
    ("centre", "restore"): _restore_ledger,
    ("port", "unplug"): _unplug,
    ("port", "babble"): _babble,
    ("port", "hold"): _hold,
    ("receipts", "repeated"): _repeated,
    ("receipts", "shuffled"): _shuffled,
    ("receipts", "forged"): _forged,
}

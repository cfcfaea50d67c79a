"""How fast a centre takes in a backlog, on SQLite and on PostgreSQL, beside the best the same server can do.

    python benchmarks/ingest.py --records 100000 --consumers 1

Many gateways send what they kept, in messages of 200 records as they pack them (compressed), and the real consumer
takes them: in groups, each one transaction, with the receipts that are due, acknowledged after the commit. Only the
broker is left out: the messages wait in the consumer's inbox. With more consumers each is a process of its own, and
takes the messages of its share of the gateways; the time is from their common start to the last acknowledgement.

The limit of PostgreSQL is measured in the same run: one COPY (binary, one connection, one transaction, synced) of the
same rows (stream, seq, hash, line, at_ms) into a table with the same key. `live_ms`: one record in one message, from
the inbox to its receipt. Needs the server's programs; the server is one of its own, with fsync on.
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import statistics
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import structlog
from sqlalchemy import create_engine, text

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "traceability"))

from measure import say
from postgres_server import PostgresServer

from gateway.clock import Moment, Quality
from gateway.records import CredentialRead, Draft, Place, Punch, Subject
from gateway.wire import GENESIS, Origin, encode, line_hash, pack, unpack
from traceability.cadence import SPACING_S
from traceability.consumer import Consumer
from traceability.database import open_database
from traceability.ledger import Ledger
from traceability.sign import unsigned
from traceability.subscription import Delivery, Inbox

BATCH = 200
LIMIT = 0.3
LIVE = 30
PIECE = 1 << 18
QUALITY = Quality("synced", "ntp", 12, "b1f2c7aa-6d0e-4f5e-9a33-0d6f5c1e2b47")
PREFIX = "punchgate/v1"
START_MS = 1_795_393_867_000
COLUMNS = "stream bigint, seq bigint, hash bytea, line bytea, at_ms bigint"


def main() -> int:
    arguments = _arguments()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    backlog = make(arguments.gateways, arguments.records)
    shares = [
        [message for gateway in range(mine, arguments.gateways, arguments.consumers) for message in backlog[gateway]]
        for mine in range(arguments.consumers)
    ]
    shares = [sorted(share, key=lambda message: message.mid) for share in shares]
    count = sum(len(lines) for lines in rows_of(backlog))
    with tempfile.TemporaryDirectory() as folder:
        places = [str(Path(folder) / f"{number}.sqlite") for number in range(arguments.repeat)]
        sqlite = [count / drain(place, shares) for place in places]
        sqlite_live = live(str(Path(folder) / "live.sqlite"))
    server = PostgresServer()
    try:
        pairs = [
            (count / drain(server.fresh(), shares), count / copy(server.fresh("bare"), rows_of(backlog)))
            for _ in range(arguments.repeat)
        ]
        server_live = live(server.fresh())
    finally:
        server.close()
    ratio = statistics.median(ours / bare for ours, bare in pairs)
    result = {
        "gateways": arguments.gateways,
        "consumers": arguments.consumers,
        "sqlite_records_a_s": [round(ours) for ours in sqlite],
        "postgresql_records_a_s": [round(ours) for ours, _ in pairs],
        "copy_rows_a_s": [round(bare) for _, bare in pairs],
        "ratio": round(ratio, 3),
        "limit": LIMIT,
        "live_ms": {"sqlite": round(sqlite_live, 1), "postgresql": round(server_live, 1)},
    }
    words = f"SQLite {max(sqlite):.0f} records/s; PostgreSQL {pairs[-1][0]:.0f}, {ratio:.2f} of COPY (limit {LIMIT})"
    say(result, f"{words}; live {sqlite_live:.1f} and {server_live:.1f} ms")
    return int(ratio < LIMIT)


# --- what gateways send


def make(gateways: int, records: int) -> list[list[Delivery]]:
    """For each gateway its messages, numbered in the order in which all of them arrive: each gateway in turn."""
    backlog = []
    for gateway in range(gateways):
        origin = Origin("hq", f"edge-{gateway:03}", "Asia/Shanghai", f"{gateway:016x}")
        lines, prev = list[bytes](), GENESIS
        for seq in range(1, records // gateways + 1):
            lines.append(encode(_draft(seq), origin, prev))
            prev = line_hash(lines[-1])
        backlog.append(
            [
                _message(origin, lines[first : first + BATCH], gateways * (first // BATCH) + gateway)
                for first in range(0, len(lines), BATCH)
            ]
        )
    return backlog


def _draft(seq: int) -> Draft:
    """A read, then the punch made of it, as a lane gives them all day."""
    place = Place("main-gate", "lane-1", "outside", "hall")
    subject = Subject("credential", f"t1:{sha256(b'%d' % (seq // 2 % 500)).hexdigest()[:32]}", "em4100", 40)
    read = CredentialRead(device="lane-1-in", place=place, driver="em4100", side="in", subject=subject)
    body = read if seq % 2 else Punch(
        device="lane-1-in", place=place, driver="em4100", direction="in", basis="reader_side", subject=subject,
        outcome="assumed", confidence="assumed", read=seq - 1,
    )  # fmt: skip
    return Draft(body, Moment(START_MS + 500 * seq, 0.5 * seq, 500_000_000 * seq, QUALITY, live=False), seq=seq)


def _message(origin: Origin, lines: Sequence[bytes], mid: int) -> Delivery:
    batch = pack(lines, deflate=True)
    return Delivery(f"{PREFIX}/{origin.site}/{origin.gateway}/replay", batch.body, batch.encoding, 1, mid, 1)


def rows_of(backlog: Sequence[Sequence[Delivery]]) -> list[list[bytes]]:
    """The lines of each gateway."""
    return [
        [line for message in messages for line in unpack(message.payload, message.encoding)] for messages in backlog
    ]


# --- the centre


class Link:
    """Where the broker would be: takes acknowledgements and receipts, and ends when the last message was taken."""

    connected = True

    def __init__(self, messages: int) -> None:
        self.left = messages
        self.told = 0
        self.consumer: Consumer | None = None

    def subscribe(self) -> None:
        """Nothing to do."""

    def ack(self, delivery: Delivery) -> None:
        self.left -= 1
        self._look()

    def publish(self, topic: str, payload: bytes) -> bool:
        self.told += 1
        self._look()
        return True

    def _look(self) -> None:
        if self.left <= 0 and self.told and self.consumer is not None:
            self.consumer.stop()


def take(place: str, messages: Sequence[Delivery], is_ready: Any = None) -> None:
    """Take these messages into a ledger, and return when all are acknowledged and a receipt is out."""
    ledger = Ledger(open_database(place), "centre-1", lambda: START_MS)
    inbox: Inbox = SimpleQueue()
    link = Link(len(messages))
    link.consumer = Consumer(ledger, link, inbox, PREFIX, unsigned)
    ledger.open()
    for message in messages:
        inbox.put(message)
    if is_ready is not None:
        is_ready.wait()
    link.consumer.run()
    if is_ready is not None:
        is_ready.wait()
    ledger.close()


def drain(place: str, shares: Sequence[Sequence[Delivery]]) -> float:
    """Seconds until consumers, a process each, have taken their messages."""
    spawn = multiprocessing.get_context("fork")
    is_ready = spawn.Barrier(len(shares) + 1)
    processes = [spawn.Process(target=take, args=(place, share, is_ready)) for share in shares]
    for process in processes:
        process.start()
    is_ready.wait()
    begun = time.monotonic()
    is_ready.wait()
    took_s = time.monotonic() - begun
    for process in processes:
        process.join()
    return took_s


class Swipes(Link):
    """Puts one record into the inbox at a time, each after the receipt of the one before, and notes how long it took.

    A receipt waits until the last one is SPACING_S old; so does the next record.
    """

    def __init__(self, inbox: Inbox, lines: Sequence[bytes], topic: str) -> None:
        super().__init__(len(lines))
        self.took_ms: list[float] = []
        self._inbox, self._lines, self._topic = inbox, lines, topic
        self._begun = 0.0

    def swipe(self) -> None:
        self._begun = time.monotonic()
        at = len(self.took_ms)
        self._inbox.put(Delivery(self._topic, self._lines[at], None, 1, at, 1))

    def publish(self, topic: str, payload: bytes) -> bool:
        self.took_ms.append(1000 * (time.monotonic() - self._begun))
        if len(self.took_ms) < len(self._lines):
            threading.Timer(2 * SPACING_S, self.swipe).start()
        return super().publish(topic, payload)


def live(place: str) -> float:
    """Median milliseconds from one record in the inbox to its receipt."""
    ((message, *_),) = make(1, BATCH)
    ledger = Ledger(open_database(place), "centre-1", lambda: START_MS)
    inbox: Inbox = SimpleQueue()
    link = Swipes(inbox, unpack(message.payload, message.encoding)[:LIVE], message.topic)
    link.consumer = Consumer(ledger, link, inbox, PREFIX, unsigned)
    ledger.open()
    link.swipe()
    link.consumer.run()
    ledger.close()
    return statistics.median(link.took_ms)


# --- the limit


def copy(address: str, streams: Sequence[Sequence[bytes]]) -> float:
    """Seconds of one COPY of all these lines."""
    engine = create_engine(address.replace("postgresql://", "postgresql+pg8000://"))
    head = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
    body = b"".join(
        [head, *(_row(stream, *row) for stream, lines in enumerate(streams, 1) for row in enumerate(lines, 1))]
    )
    with engine.connect() as connection:
        connection.execute(text(f"CREATE TABLE bare ({COLUMNS}, UNIQUE (stream, seq))"))
        connection.commit()
        raw = connection.connection.driver_connection
        assert raw is not None
        begun = time.monotonic()
        raw.cursor().execute("COPY bare FROM STDIN WITH (FORMAT binary)", stream=_pieces(body + b"\xff\xff"))
        raw.commit()
        took_s = time.monotonic() - begun
    engine.dispose()
    return took_s


def _pieces(body: bytes) -> list[bytes]:
    return [body[at : at + PIECE] for at in range(0, len(body), PIECE)]


def _row(stream: int, seq: int, line: bytes) -> bytes:
    head = struct.pack(">hiqiqi32si", 5, 8, stream, 8, seq, 32, sha256(line).digest(), len(line))
    return head + line + struct.pack(">iq", 8, START_MS)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=200_000)
    parser.add_argument("--gateways", type=int, default=50)
    parser.add_argument("--consumers", type=int, default=1, help="processes on one ledger")
    parser.add_argument("--repeat", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

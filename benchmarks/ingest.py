"""How fast the centre's ledger takes lines, on SQLite and on PostgreSQL, beside the best the same server can do.

    python benchmarks/ingest.py --records 100000 --batches 10

The limit of PostgreSQL is measured in the same run: one COPY of the same rows (stream, seq, hash, line, at_ms) into a
table with the same key. Needs the server's programs; the server is one of its own, with fsync on.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import create_engine, text

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "traceability"))

from centre_lines import chain
from measure import say
from postgres_server import PostgresServer

from gateway.wire import line_hash
from traceability.database import open_database
from traceability.ledger import Ledger

BATCH = 200
LIMIT = 0.3
COLUMNS = "stream bigint, seq bigint, hash bytea, line bytea, at_ms bigint"


def main() -> int:
    arguments = _arguments()
    lines = chain(arguments.records)
    with tempfile.TemporaryDirectory() as folder:
        sqlite = max(
            ingest(str(Path(folder) / f"{number}.sqlite"), lines, arguments.batches)
            for number in range(arguments.repeat)
        )
    server = PostgresServer()
    try:
        pairs = [
            (ingest(server.fresh(), lines, arguments.batches), copy(server.fresh("bare"), lines))
            for _ in range(arguments.repeat)
        ]
    finally:
        server.close()
    ratio = sorted(ours / bare for ours, bare in pairs)[len(pairs) // 2]
    result = {
        "sqlite_records_a_s": round(sqlite),
        "postgresql_records_a_s": [round(ours) for ours, _ in pairs],
        "copy_rows_a_s": [round(bare) for _, bare in pairs],
        "ratio": round(ratio, 3),
        "limit": LIMIT,
    }
    say(result, f"SQLite {sqlite:.0f} records/s; PostgreSQL {pairs[-1][0]:.0f}, {ratio:.2f} of COPY (limit {LIMIT})")
    return int(ratio < LIMIT)


def ingest(place: str, lines: Sequence[bytes], batches: int) -> float:
    """Records a second, so many batches of BATCH lines a transaction."""
    database = open_database(place)
    ledger = Ledger(database, "centre-1", lambda: 1_800_000_000_000)
    ledger.open()
    step = BATCH * batches
    begun = time.monotonic()
    for at in range(0, len(lines), step):
        with ledger.group([("hq", "edge-01")]) as group:
            for first in range(at, min(at + step, len(lines)), BATCH):
                group.take("hq", "edge-01", lines[first : first + BATCH])
    took_s = time.monotonic() - begun
    ledger.close()
    return len(lines) / took_s


def copy(address: str, lines: Sequence[bytes]) -> float:
    """Rows a second of one COPY."""
    engine = create_engine(address.replace("postgresql://", "postgresql+pg8000://"))
    body = "".join(
        f"1\t{seq}\t\\\\x{line_hash(line)}\t\\\\x{line.hex()}\t1800000000000\n" for seq, line in enumerate(lines, 1)
    ).encode()
    with engine.connect() as connection:
        connection.execute(text(f"CREATE TABLE bare ({COLUMNS}, UNIQUE (stream, seq))"))
        connection.commit()
        raw = connection.connection.driver_connection
        assert raw is not None
        begun = time.monotonic()
        with tempfile.TemporaryFile() as file:
            file.write(body)
            file.seek(0)
            raw.cursor().execute("COPY bare FROM STDIN", stream=file)
        raw.commit()
        took_s = time.monotonic() - begun
    engine.dispose()
    return len(lines) / took_s


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--batches", type=int, default=10, help="of 200 lines, in a transaction")
    parser.add_argument("--repeat", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

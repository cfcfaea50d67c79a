"""The ledger's tables, and what each is for.

- `records`: the lines, bytes unchanged. `(stream, seq)` is their name for ever, which makes repeats harmless.
- `streams`: one row per (site, gateway, epoch). `receipt` counts the receipts given, `told` is the ledger id in the
  last one, `behind` what the gateway had settled beyond us when we were found restored from a backup.
- `spans`: which seqs of a stream are accounted for (committed, refused or declared lost), merged, so that `through`,
  `seen` and the holes are read from a few rows. `since_ms`: when the hole before the span was first seen.
- `gateways`: the last state message of each gateway. `newest_ms`: since when `newest` has been ahead of us.
- `conflicts`: other bytes under a name that was taken; both are kept. `breaks`: where the hash chain does not fit.
- `refused`: lines we will never take; `told` is the receipt that said so first. `losses`: declared lost.
- `anchors`, `boots`, `doubts`: what records say of their clocks, see `clocks`; `streams.previous`: the epoch before.
  `doubts.waited_ms` null: the gateway did not say.
- `evidence`: signed heads as the gateway sent them, see `evidence`; `said` is its time, `hash` that of line `newest`.
- `expiry`: up to which row bodies have been emptied (see `expiry`); `streams.expired` counts them.
- `ledger`: the random id of this database, the last row counts; a new one is minted when a backup was restored.

All times are unix milliseconds of the centre's clock.
"""

from __future__ import annotations

APPLICATION_ID = 0x70676C67

_FIRST = """
CREATE TABLE ledger (id TEXT NOT NULL, minted_ms INTEGER NOT NULL, cause TEXT NOT NULL);
CREATE TABLE streams (
  id INTEGER PRIMARY KEY,
  site TEXT NOT NULL,
  gateway TEXT NOT NULL,
  epoch TEXT NOT NULL,
  receipt INTEGER NOT NULL DEFAULT 0,
  told TEXT,
  behind INTEGER,
  held INTEGER NOT NULL DEFAULT 0,
  first_ms INTEGER NOT NULL,
  last_ms INTEGER,
  UNIQUE (site, gateway, epoch)
);
CREATE TABLE records (
  stream INTEGER NOT NULL REFERENCES streams,
  seq INTEGER NOT NULL,
  hash BLOB NOT NULL,
  line BLOB NOT NULL,
  at_ms INTEGER NOT NULL,
  UNIQUE (stream, seq)
);
CREATE TABLE spans (
  stream INTEGER NOT NULL REFERENCES streams,
  first INTEGER NOT NULL,
  last INTEGER NOT NULL CHECK (last >= first),
  since_ms INTEGER NOT NULL,
  PRIMARY KEY (stream, first)
) WITHOUT ROWID;
CREATE TABLE gateways (
  site TEXT NOT NULL,
  gateway TEXT NOT NULL,
  status TEXT NOT NULL,
  epoch TEXT,
  oldest INTEGER,
  newest INTEGER,
  newest_ms INTEGER,
  settled INTEGER,
  head TEXT,
  at_ms INTEGER NOT NULL,
  PRIMARY KEY (site, gateway)
) WITHOUT ROWID;
CREATE TABLE conflicts (
  stream INTEGER NOT NULL REFERENCES streams,
  seq INTEGER NOT NULL,
  hash BLOB NOT NULL,
  line BLOB NOT NULL,
  at_ms INTEGER NOT NULL,
  UNIQUE (stream, seq, hash)
);
CREATE TABLE breaks (
  stream INTEGER NOT NULL REFERENCES streams,
  seq INTEGER NOT NULL,
  held TEXT NOT NULL,
  named TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  UNIQUE (stream, seq, named)
);
CREATE TABLE refused (
  stream INTEGER NOT NULL REFERENCES streams,
  seq INTEGER NOT NULL,
  reason TEXT NOT NULL,
  line BLOB NOT NULL,
  told INTEGER,
  at_ms INTEGER NOT NULL,
  UNIQUE (stream, seq)
);
CREATE TABLE losses (
  stream INTEGER NOT NULL REFERENCES streams,
  first INTEGER,
  last INTEGER,
  count INTEGER,
  cause TEXT NOT NULL,
  declared_by INTEGER NOT NULL REFERENCES streams,
  declared_seq INTEGER NOT NULL,
  at_ms INTEGER NOT NULL,
  UNIQUE (declared_by, declared_seq)
);
"""

_CLOCKS = """
ALTER TABLE streams ADD COLUMN previous TEXT;
CREATE TABLE anchors (
  stream INTEGER NOT NULL REFERENCES streams,
  seq INTEGER NOT NULL,
  boot TEXT NOT NULL,
  boot_ns INTEGER NOT NULL,
  offset_ms INTEGER NOT NULL,
  state TEXT NOT NULL,
  error_ms INTEGER,
  PRIMARY KEY (stream, seq)
) WITHOUT ROWID;
CREATE TABLE boots (
  stream INTEGER NOT NULL REFERENCES streams,
  boot TEXT NOT NULL,
  last_ns INTEGER NOT NULL,
  PRIMARY KEY (stream, boot)
) WITHOUT ROWID;
CREATE TABLE doubts (
  stream INTEGER NOT NULL REFERENCES streams,
  seq INTEGER NOT NULL,
  time_ms INTEGER NOT NULL,
  boot TEXT NOT NULL,
  boot_ns INTEGER NOT NULL,
  state TEXT NOT NULL,
  error_ms INTEGER,
  live INTEGER NOT NULL,
  PRIMARY KEY (stream, seq)
) WITHOUT ROWID;
"""

_EVIDENCE = """
CREATE TABLE evidence (
  stream INTEGER NOT NULL REFERENCES streams,
  newest INTEGER NOT NULL,
  hash BLOB NOT NULL,
  said TEXT NOT NULL,
  message BLOB NOT NULL,
  at_ms INTEGER NOT NULL
);
CREATE INDEX evidence_by_seq ON evidence (stream, newest);
"""

_EXPIRY = """
ALTER TABLE streams ADD COLUMN expired INTEGER NOT NULL DEFAULT 0;
CREATE TABLE expiry (upto INTEGER NOT NULL);
INSERT INTO expiry VALUES (0);
"""

_WAITS = """
ALTER TABLE doubts ADD COLUMN waited_ms INTEGER;
ALTER TABLE doubts ADD COLUMN device_error_ms INTEGER NOT NULL DEFAULT 0;
"""

STEPS = (_FIRST, _CLOCKS, _EVIDENCE, _EXPIRY, _WAITS)
"""What makes each version of the one before, oldest first; a ledger is only ever taken forward."""

VERSION = len(STEPS)

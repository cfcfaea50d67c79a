"""The ledger's tables, and what each is for.

- `records`: the lines, bytes unchanged. `(stream, seq)` is their name for ever, which makes repeats harmless.
- `streams`: one row per (site, gateway, epoch). `receipt` counts the receipts given, `told` is the ledger id in the
  last one, `behind` what the gateway had settled beyond us when we were found restored from a backup.
- `spans`: which seqs of a stream are accounted for (committed, refused or declared lost), merged, so that `through`,
  `seen` and the holes are read from a few rows. `since_ms`: when the hole before the span was first seen.
- `gateways`: the last state message of each gateway. `newest_ms`: since when `newest` has been ahead of us.
- `conflicts`: other bytes under a name that was taken; both are kept. `breaks`: where the hash chain does not fit.
- `refused`: lines we will never take; `told` is the receipt that said so first. `losses`: declared lost.
- `ledger`: the random id of this database, the last row counts; a new one is minted when a backup was restored.

All times are unix milliseconds of the centre's clock.
"""

from __future__ import annotations

APPLICATION_ID = 0x70676C67
VERSION = 1

SCHEMA = f"""
BEGIN IMMEDIATE;
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
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {VERSION};
COMMIT;
"""

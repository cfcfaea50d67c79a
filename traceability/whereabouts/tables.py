"""The derived tables. `known_from` up to, not including, `known_to` (FUTURE: still) is when a row was our knowledge.

- `entries`: what operators said, never changed; `known_ms` is set when it was taken into account.
- `signs`: every record as a sign of life; `best_ms` null: it cannot be placed in time. `body`: the
  sign itself where it tells more than that the gateway lived. `why`: what is wrong with it.
- `named`: the first sign that names a lane, with device and portal; so that nobody looks for it among all signs.
- `blocks`: BLOCK signs in a row, all there, in which no gateway started or stopped, as the span they cover; `live_…`:
  of those that were told live. Written when the last of them is here, and anew when one is dated otherwise.
- `steps`: what moved or saw somebody; subject "" are flows, people without a name.
- `stays`: who was where; `first_ms` and `last_ms` are the possible extent.
- `beats`: heartbeats, one a minute and each change.
- `derived`: one row: up to which record all is taken, and when the last turn was.

All times are unix ms.
"""

from __future__ import annotations

from sqlalchemy import Column, Identity, Table, Text

from traceability.database.tables import BIG, FLAG, metadata

BLOCK = 1024
"""Signs in a block: those whose number divided by it is the block's."""

entries = Table(
    "entries",
    metadata,
    Column("number", BIG, Identity(), primary_key=True),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("said_ms", BIG, nullable=False),
    Column("known_ms", BIG),
)
signs = Table(
    "signs",
    metadata,
    Column("stream", BIG, primary_key=True),
    Column("seq", BIG, primary_key=True),
    Column("known_from", BIG, primary_key=True),
    Column("known_to", BIG, nullable=False),
    Column("best_ms", BIG),
    Column("earliest_ms", BIG),
    Column("latest_ms", BIG),
    Column("kind", Text, nullable=False),
    Column("live", FLAG, nullable=False),
    Column("lane", Text),
    Column("device", Text),
    Column("portal", Text),
    Column("body", Text),
    Column("why", Text),
)
named = Table(
    "named",
    metadata,
    Column("stream", BIG, primary_key=True),
    Column("seq", BIG, primary_key=True),
    Column("known_from", BIG, nullable=False),
    Column("lane", Text),
    Column("device", Text),
    Column("portal", Text),
)
blocks = Table(
    "blocks",
    metadata,
    Column("stream", BIG, primary_key=True),
    Column("block", BIG, primary_key=True),
    Column("known_from", BIG, primary_key=True),
    Column("known_to", BIG, nullable=False),
    Column("begin_ms", BIG),
    Column("end_ms", BIG),
    Column("live_begin_ms", BIG),
    Column("live_end_ms", BIG),
)
steps = Table(
    "steps",
    metadata,
    Column("name", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("known_from", BIG, primary_key=True),
    Column("known_to", BIG, nullable=False),
    Column("token", Text),
    Column("site", Text, nullable=False),
    Column("lane", Text),
    Column("role", Text, nullable=False),
    Column("best_ms", BIG, nullable=False),
    Column("body", Text, nullable=False),
)
stays = Table(
    "stays",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("known_from", BIG, primary_key=True),
    Column("known_to", BIG, nullable=False),
    Column("site", Text, nullable=False),
    Column("zone", Text, nullable=False),
    Column("first_ms", BIG, nullable=False),
    Column("last_ms", BIG, nullable=False),
    Column("body", Text, nullable=False),
)
beats = Table(
    "beats",
    metadata,
    Column("site", Text, primary_key=True),
    Column("gateway", Text, primary_key=True),
    Column("at_ms", BIG, primary_key=True),
    Column("online", FLAG, nullable=False),
    Column("epoch", Text),
    Column("newest", BIG),
)
derived = Table(
    "derived",
    metadata,
    Column("number", BIG, primary_key=True),
    Column("upto", BIG, nullable=False),
    Column("known_ms", BIG, nullable=False),
)

"""Presence kept in tables: derived from the ledger as it grows, asked as of any moment and as known at any moment.

    ledger ──> deriver ──> signs, steps, stays ──> view ──> the questions of `traceability.presence`
                  ▲
               entries: what an operator says (people, bindings, maps, moves, counts, corrections)

Nothing here is a source: all but `entries` can be derived anew from the record lines. A row is never changed, it is
closed (`known_to`) when something better is known and another one takes its place, so what was answered then can be
answered again, to the byte.
"""

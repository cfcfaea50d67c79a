"""Who was where: facts in any order become stays, and stays answer questions. No clock, no database, no network.

    record lines, dated ──> facts ─┐
    operator's corrections ────────┼─> steps of one subject ──> stays ──> roster, contacts, density, …
    bindings card ↔ person ────────┤
    map of the day ────────────────┘

Every question is asked of a `View`: what was known at one moment (`as_known_at`), about another (`as_of`).
"""

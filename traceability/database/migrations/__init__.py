"""What makes each version of the tables of the one before, for Alembic; a ledger is only ever taken forward.

A new version is one more module in `versions`, `traceability.database.base.VERSION` one higher, and the columns in
`tables`. What a revision says must not change any more once it was released.
"""

"""How fast the centre's ledger takes records: lines, transactions, chain, clocks and receipts; no broker between.

`--database FILE or postgresql://…` (a new SQLite file without it), `--records 40000`, `--batch 200` lines a message,
`--group 10` messages a transaction, as a consumer groups them while a backlog drains.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "traceability"))

"""People at a site that a test breaks in one way: what was presented, and the oracle's word on what arrived."""

from __future__ import annotations

import time

from end_to_end.site import Site, eventually

from gateway.simulation.wire import Wire

from .crowd import Crowd
from .stage import PASS_TIMEOUT_S
from .verdict import Verdict, judge

READERS = 3
QUIET_S = 1.0
DRAINED_S, SETTLED_S = 20.0, 40.0


class Rush:
    """Three readers, and a gate with a reader and an arm; `begin`, let it go wrong, `end`, `judge`."""

    def __init__(self, site: Site, seed: int) -> None:
        self.site = site
        readers = [Wire(f"reader-{number}", site.reader(f"reader-{number}").port) for number in range(READERS)]
        site.lane(
            "gate", mode="controlled", sensor="per_direction", pass_timeout_s=PASS_TIMEOUT_S, reorder_s=0.1,
            repeat_window_s=0.5,
        )  # fmt: skip
        gate = Wire("gate-in", site.reader("gate-in", "gate").port)
        port = site.device("arm", "gate", driver="eb_turnstile", directions={"left": "in", "right": "out"})
        assert port is not None
        self._crowd = Crowd(seed, readers, gate, Wire("arm", port))
        self.wires = self._crowd.wires

    def begin(self) -> None:
        """The first people come; the daemon runs."""
        self.site.wait_up()
        self._crowd.start()

    def killed(self, at: float) -> None:
        """The daemon died then (unix time, s)."""
        for wire in self.wires:
            wire.killed(at)

    def end(self, settled_s: float = SETTLED_S) -> None:
        """Everybody goes home; wait until all that was presented has been read, closed and settled."""
        self._crowd.go_home()
        eventually(lambda: all(wire.drained() for wire in self.wires), "reading what waits", DRAINED_S)
        time.sleep(PASS_TIMEOUT_S + QUIET_S)
        self.site.wait_settled(settled_s)

    def judge(self) -> Verdict:
        """What the centre has, against what was presented; both ends hold the same chain."""
        verdict = judge({wire.name: wire.frames for wire in self.wires}, self.site.export())
        self.site.verify()
        streams = self.site.coverage()["streams"]
        verdict.remarks += [f"coverage: {it}" for it in streams if it["conflicts"] or it["breaks"] or it["missing"]]
        return verdict

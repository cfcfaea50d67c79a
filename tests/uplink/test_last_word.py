"""The end of an uplink: what the centre has of the last records is known before the daemon is gone."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from uplink_bench import Bench, run, until
from uplink_broker import Broker

from gateway.uplink.uplink import CENTRE_BACK_S


def test_a_centre_that_answers_has_settled_the_last_record_when_the_uplink_is_closed(tmp_path: Path) -> None:
    async def story(bench: Bench) -> None:
        await until(lambda: bench.uplink.connected)
        bench.make(1)
        await until(bench.broker.seqs)
        bench.receipt(1)
        await until(lambda: bench.uplink.settlement.through() == 1)
        bench.make(1)
        await until(lambda: len(bench.broker.seqs()) == 2)
        asyncio.get_running_loop().call_later(0.2, bench.receipt, 2)
        began = time.monotonic()
        await bench.uplink.close()
        assert bench.uplink.settlement.through() == 2
        assert time.monotonic() - began < CENTRE_BACK_S

    run(tmp_path, Broker(), story)


@pytest.mark.parametrize("has_answered", [False, True])
def test_a_centre_that_is_silent_holds_up_the_end_for_a_moment_only_if_it_was_there(
    tmp_path: Path, has_answered: bool
) -> None:
    async def story(bench: Bench) -> None:
        await until(lambda: bench.uplink.connected)
        bench.make(1)
        await until(bench.broker.seqs)
        if has_answered:
            bench.receipt(1)
            await until(lambda: bench.uplink.settlement.through() == 1)
            bench.make(1)
            await until(lambda: len(bench.broker.seqs()) == 2)
        began = time.monotonic()
        await bench.uplink.close()
        took_s = time.monotonic() - began
        assert (took_s >= CENTRE_BACK_S) is has_answered
        assert took_s < CENTRE_BACK_S + 1.0

    run(tmp_path, Broker(), story)

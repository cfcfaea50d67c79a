"""How many faults, from which seed; the figures of all episodes in one line at the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

import pytest
from told import tell, told

from .plan import DEFAULT_COUNT, DEFAULT_SEED, PER_EPISODE
from .verdict import Verdict

VERDICT = "verdict"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`--fault-count N` as episodes of PER_EPISODE faults at most; each has a seed of its own, and replays by it."""
    if "episode_seed" in metafunc.fixturenames:
        count, seed = _asked(metafunc.config)
        parts = [min(PER_EPISODE, count - done) for done in range(0, count, PER_EPISODE)]
        values = [(seed + number, part) for number, part in enumerate(parts)]
        metafunc.parametrize(("episode_seed", "episode_faults"), values, ids=[f"seed-{it}" for it, _ in values])


@pytest.fixture
def counted(request: pytest.FixtureRequest) -> Callable[[Verdict], None]:
    """Takes the verdict of an episode, for the sum of all."""
    return lambda verdict: tell(request.node, VERDICT, asdict(verdict))


@pytest.fixture
def power_cuts(pytestconfig: pytest.Config) -> int:
    """How often to cut the power."""
    return int(pytestconfig.getoption("power_cuts"))


@pytest.fixture
def centre_kills(pytestconfig: pytest.Config) -> int:
    """How often to kill a centre."""
    return int(pytestconfig.getoption("centre_kills"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    total = Verdict()
    for verdict in told(terminalreporter, VERDICT):
        total.add(Verdict(**verdict))
    if total.faults:
        terminalreporter.write_line(f"faults from seed {_asked(config)[1]}: {total}")


def _asked(config: pytest.Config) -> tuple[int, int]:
    """How many faults, from which seed."""
    count, seed = config.getoption("fault_count"), config.getoption("fault_seed")
    return DEFAULT_COUNT if count is None else count, DEFAULT_SEED if seed is None else seed

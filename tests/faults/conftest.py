"""How many faults, from which seed; the figures of all episodes in one line at the end."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .plan import DEFAULT_COUNT, DEFAULT_SEED, PER_EPISODE
from .verdict import Verdict

TOTAL = pytest.StashKey[Verdict]()
FIGURES = pytest.StashKey[list[str]]()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`--fault-count N` as episodes of PER_EPISODE faults at most; each has a seed of its own, and replays by it."""
    if "episode_seed" in metafunc.fixturenames:
        count, seed = _asked(metafunc.config)
        parts = [min(PER_EPISODE, count - done) for done in range(0, count, PER_EPISODE)]
        values = [(seed + number, part) for number, part in enumerate(parts)]
        metafunc.parametrize(("episode_seed", "episode_faults"), values, ids=[f"seed-{it}" for it, _ in values])


@pytest.fixture(scope="session")
def total(pytestconfig: pytest.Config) -> Verdict:
    """The sum of all episodes."""
    return pytestconfig.stash.setdefault(TOTAL, Verdict())


@pytest.fixture
def figures(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Takes lines that are shown at the end of the run."""
    return pytestconfig.stash.setdefault(FIGURES, []).append


@pytest.fixture
def power_cuts(pytestconfig: pytest.Config) -> int:
    """How often to cut the power."""
    return int(pytestconfig.getoption("power_cuts"))


@pytest.fixture
def centre_kills(pytestconfig: pytest.Config) -> int:
    """How often to kill a centre."""
    return int(pytestconfig.getoption("centre_kills"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    verdict = config.stash.get(TOTAL, None)
    if verdict is not None and verdict.faults:
        terminalreporter.write_line(f"faults from seed {_asked(config)[1]}: {verdict}")
    for line in config.stash.get(FIGURES, []):
        terminalreporter.write_line(line)


def _asked(config: pytest.Config) -> tuple[int, int]:
    """How many faults, from which seed."""
    count, seed = config.getoption("fault_count"), config.getoption("fault_seed")
    return DEFAULT_COUNT if count is None else count, DEFAULT_SEED if seed is None else seed

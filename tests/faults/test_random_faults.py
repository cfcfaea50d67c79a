"""Whatever goes wrong, in whatever order: nothing lost, nothing invented, nothing twice, nothing misdated.

    pytest tests/faults --fault-count 500 --fault-seed 7

draws 500 faults in episodes of 25; an episode that fails prints the line that plays it again.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from .episode import Episode
from .plan import draw
from .verdict import Verdict

pytestmark = [pytest.mark.needs("mosquitto"), pytest.mark.needs("strace")]


def test_after_any_faults_the_centre_has_every_frame_once_in_order_and_at_its_time(
    episode_seed: int, episode_faults: int, tmp_path: Path, counted: Callable[[Verdict], None]
) -> None:
    means = frozenset({"strace", "root"} if os.geteuid() == 0 else {"strace"})
    episode = Episode(draw(episode_seed, episode_faults, means), tmp_path)
    try:
        verdict = episode.play()
    except Exception as error:
        error.add_note(_told(episode))
        raise
    counted(verdict)
    assert not verdict.remarks, "\n".join([*verdict.remarks[:40], _told(episode)])


def _told(episode: Episode) -> str:
    logs = f"logs: {episode.stage.folder}"
    return "\n".join([str(episode.plan).splitlines()[0], *episode.story, logs, f"replay: {episode.plan.replay}"])

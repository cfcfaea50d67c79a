"""Questions that may never be answered: name servers, serial servers, brokers.

Each is asked in a thread of its own that is left behind when time is up; it does not keep the process alive.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

Answer = TypeVar("Answer")

PATIENCE_S = 3.0


def ask_all(questions: Sequence[Callable[[], Answer]], within_s: float = PATIENCE_S) -> list[Answer | Exception]:
    """Each answer or the OSError, TimeoutError or ValueError in place of it; all together take at most `within_s`."""
    answers: list[Answer | Exception] = [TimeoutError("no answer") for _ in questions]

    def answer(index: int) -> None:
        try:
            answers[index] = questions[index]()
        except (OSError, ValueError) as error:
            answers[index] = error

    threads = [threading.Thread(target=answer, args=(index,), daemon=True) for index in range(len(questions))]
    deadline = time.monotonic() + within_s
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return list(answers)

"""A blocking call on a thread of its own that nobody has to wait for.

asyncio's executor is joined when the loop ends: a name server or a TLS peer that does not answer would hold up a stop
for half a minute. A daemon thread is simply left behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from functools import partial
from typing import TypeVar

Result = TypeVar("Result")


async def blocking(call: Callable[[], Result], undo: Callable[[Result], object] | None = None) -> Result:
    """Run `call` and return or raise what it does; cancelling leaves it running, and `undo` gets what comes of it."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Result] = loop.create_future()

    def work() -> None:
        try:
            result = call()
        except BaseException as error:  # noqa: BLE001 - whatever it is, it belongs to the one who waits
            tell(partial(fail, error))
        else:
            tell(partial(arrive, result))

    def tell(news: Callable[[], object]) -> None:
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(news)

    def fail(error: BaseException) -> None:
        if not future.done():
            future.set_exception(error)

    def arrive(result: Result) -> None:
        if not future.done():
            future.set_result(result)
        else:
            leave(result)

    def leave(result: Result) -> None:
        if undo is not None:
            threading.Thread(target=undo, args=(result,), name="undo", daemon=True).start()

    threading.Thread(target=work, name="blocking", daemon=True).start()
    try:
        return await future
    except asyncio.CancelledError:
        if future.done() and not future.cancelled() and future.exception() is None:
            leave(future.result())
        raise

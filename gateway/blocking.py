"""A blocking call on a thread of its own that nobody has to wait for.

asyncio's executor is joined when the loop ends: a name server or a TLS peer that does not answer would hold up a stop
for half a minute. A daemon thread is simply left behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


async def blocking(call: Callable[[], Result]) -> Result:
    """Run `call` and return or raise what it does; cancelling leaves it running."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Result] = loop.create_future()

    def work() -> None:
        try:
            result = call()
        except BaseException as error:  # noqa: BLE001 - whatever it is, it belongs to the one who waits
            tell(future.set_exception, error)
        else:
            tell(future.set_result, result)

    def tell(settle: Callable[..., None], outcome: object) -> None:
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(lambda: None if future.done() else settle(outcome))

    threading.Thread(target=work, name="blocking", daemon=True).start()
    return await future

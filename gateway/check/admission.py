"""Does the broker let a certificate in? Asked before it takes the place of one that works."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from config import Settings
from gateway import assembly
from gateway.check.broker import Visit
from gateway.check.patience import PATIENCE_S
from gateway.errors import Transient
from gateway.uplink.connection import Connection
from gateway.uplink.link import Link
from gateway.uplink.remedies import said_by_network


def require_admission(settings: Settings, cert_file: Path, key_file: Path, *, clock_is_wrong: bool) -> None:
    """Visit the broker with these papers under another client id. Raises Transient if it does not let them in."""
    link = assembly.link(settings)
    trial = replace(link, client_id=f"{link.client_id}.renewal", cert_file=cert_file, key_file=key_file)
    asyncio.run(_visit(trial, assembly.topics(settings).of("check"), clock_is_wrong))


async def _visit(link: Link, topic: str, clock_is_wrong: bool) -> None:
    connection = Connection(link, (topic, b""), Visit())
    try:
        async with asyncio.timeout(PATIENCE_S):
            await connection.open(clock_is_wrong=clock_is_wrong)
    except TimeoutError as error:
        text, remedy = said_by_network(error, clock_is_wrong=False)
        raise Transient(text, remedy=remedy) from error
    finally:
        connection.close()

"""What the centre's commands do: look, send again, read the configuration anew. Nothing at a door."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from gateway.blocking import blocking
from gateway.control.desk import Desk
from gateway.control.requests import Resend
from gateway.downward import Command
from gateway.errors import Rejected

MOST_FINDINGS = 200


@dataclass(frozen=True, slots=True)
class Deeds:
    """`describe` is what `punchgate status` says, `reload` what SIGHUP does (raises PunchgateError), `examine` what
    the doctor finds: it takes seconds, and is asked on a thread of its own."""

    desk: Desk
    describe: Callable[[], dict[str, Any]]
    reload: Callable[[], Awaitable[dict[str, Any]]]
    examine: Callable[[], list[dict[str, Any]]]

    async def carry_out(self, command: Command) -> dict[str, Any]:
        """What there is to say of it afterwards. Raises PunchgateError."""
        match command.command:
            case "ping":
                status = self.describe()
                return {key: status[key] for key in ("version", "started", "epoch", "newest", "settled", "clock")}
            case "status":
                return self.describe()
            case "reload":
                return await self.reload()
            case "check":
                return {"findings": (await blocking(self.examine))[:MOST_FINDINGS]}
            case "resend":
                if command.args is None:
                    raise Rejected("resend has args")
                return await self.desk.answer(Resend(first=command.args.first, last=command.args.last))

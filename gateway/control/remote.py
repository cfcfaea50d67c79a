"""Commands from the centre: believed only if the centre has signed them, for this gateway, for now, and once.

What is not believed changes nothing; it is counted by reason and said once a minute. What the centre has signed for
this gateway gets one answer. Without a synchronised clock nobody can tell a command of now from one of last year, so
each is refused, with that answer; without a key of the centre's none is even read.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import structlog

from gateway.blocking import blocking
from gateway.clock import Quality
from gateway.control.once import Once
from gateway.downward import MAX_COMMAND_BYTES, Command, read_command
from gateway.downward.believing import Refusal, believed, for_us
from gateway.errors import NotDurable, PunchgateError, Rejected
from gateway.log import Once as Said
from gateway.uplink import CentreKey
from gateway.wire import timestamp

AHEAD_S = 60.0
MAX_ANSWERED = 500
BELIEVED = ("synced", "holdover")

log = structlog.get_logger()

Deed = Callable[[Command], Awaitable[dict[str, Any]]]


class Watch(Protocol):
    """The part of `gateway.clock.Clock` that is asked here."""

    def quality(self) -> Quality:
        """How good the wall clock is."""

    def unix_ms(self) -> int:
        """Wall clock, ms since 1970."""

    def mono(self) -> float:
        """Monotonic seconds."""


class Remote:
    """`address` is site/gateway; `deed` carries a command out; `answer` takes the reply's words, without `sig`."""

    def __init__(
        self, address: str, clock: Watch, once: Once, deed: Deed, answer: Callable[[dict[str, Any]], None]
    ) -> None:
        self.key: CentreKey | None = None
        self.counts: Counter[str] = Counter()
        self._address = address
        self._clock = clock
        self._once = once
        self._deed = deed
        self._answer = answer
        self._said = Said(clock.mono)
        self._answered: OrderedDict[str, None] = OrderedDict()

    def begin(self) -> None:
        """Remember what an earlier run has taken."""
        self._once.load()
        if self._once.trouble is not None:
            log.error("command.refused", kind="replayed", reason=self._once.trouble, times=0)

    async def take(self, payload: bytes, *, retained: bool) -> None:
        """A message on the command topic; never raises PunchgateError."""
        try:
            command = self._authentic(payload, retained=retained)
        except Refusal as refusal:
            self._refused(refusal.kind, refusal.message)
            return
        try:
            await self._admit(command)
        except Refusal as refusal:
            self._refused(refusal.kind, refusal.message)
            if refusal.kind != "replayed":
                self._reply(command, "refused", refusal.message)
            return
        self.counts["taken"] += 1
        log.info("command.taken", command=command.command, id=command.id)
        await self._carry_out(command)

    def _authentic(self, payload: bytes, *, retained: bool) -> Command:
        """Raises Refusal if nobody is to be answered: it is not the centre that speaks, or not to us."""
        if retained:
            raise Refusal("retained", "command was kept by the broker")
        command = believed(payload, self.key, MAX_COMMAND_BYTES, read_command, "commands")
        for_us(command, self._address, "command")
        return command

    async def _admit(self, command: Command) -> None:
        """Raises Refusal if it is not the time for it, or it was taken or answered before."""
        if self._once.knows(command.id) or command.id in self._answered:
            raise Refusal("replayed", "command was taken before")
        state, now_s = self._clock.quality().state, self._clock.unix_ms() / 1000
        if state not in BELIEVED:
            raise Refusal("no_clock", f"the gateway's clock is not synchronised ({state}): nobody knows what is past")
        if command.expires_s <= now_s:
            raise Refusal("expired", "command has expired")
        if command.issued_s > now_s + AHEAD_S:
            raise Refusal("early", "command is from the future: one of the two clocks is wrong")
        try:
            await blocking(lambda: self._once.take(command.id, command.expires_s, now_s))
        except Rejected as error:
            raise Refusal("replayed", error.message) from error
        except NotDurable as error:
            raise Refusal("not_kept", error.message) from error

    async def _carry_out(self, command: Command) -> None:
        try:
            said = await self._deed(command)
        except PunchgateError as error:
            self._reply(command, "failed", str(error))
        else:
            self._reply(command, "done", None, said)

    def _refused(self, kind: str, reason: str) -> None:
        self.counts[kind] += 1
        if times := self._said.due("command", kind):
            log.warning("command.refused", kind=kind, reason=reason, times=times)

    def _reply(self, command: Command, result: str, reason: str | None, said: dict[str, Any] | None = None) -> None:
        """At most one for an id; whoever sends a command again is not answered again."""
        if command.id in self._answered:
            return
        self._answered[command.id] = None
        if len(self._answered) > MAX_ANSWERED:
            self._answered.popitem(last=False)
        words: dict[str, Any] = {"punchgate": "reply", "gateway": self._address, "id": command.id}
        words |= {"command": command.command, "result": result, "time": timestamp(self._clock.unix_ms())}
        words |= {} if reason is None else {"reason": reason[:2000]}
        self._answer(words | ({} if said is None else {"answer": said}))

"""`punchgate centre command`: tell one gateway to do something, once, and hear what became of it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import click

from gateway.commands.centre_options import centre_option, read_centre
from gateway.commands.options import NumberRange
from gateway.commands.requests import RangeOfSeqs
from gateway.downward import ADDRESS, MAX_LIFE_S
from gateway.errors import EXIT_FAILED, Rejected, Transient

NAMES = ("ping", "status", "check", "reload", "resend")
_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


class Address(click.ParamType[str]):
    """SITE/GATEWAY."""

    name = "SITE/GATEWAY"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """As it was written."""
        if not re.fullmatch(ADDRESS, str(value)):
            self.fail(f"{value!r} is not SITE/GATEWAY, such as hq/edge-01", param, ctx)
        return str(value)


class Duration(NumberRange):
    """Seconds, or a number with s, m or h."""

    name = "DURATION"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """In seconds."""
        found = re.fullmatch(r"([0-9.]{1,12})([smh]?)", str(value))
        if found is None:
            self.fail(f"{value!r} is not a time such as 60s or 5m", param, ctx)
        try:
            seconds = float(found[1]) * _UNITS[found[2]]
        except ValueError:
            self.fail(f"{value!r} is not a time such as 60s or 5m", param, ctx)
        return super().convert(seconds, param, ctx)


@click.command("command")
@centre_option
@click.argument("gateway", type=Address(), metavar="SITE/GATEWAY")
@click.argument("name", type=click.Choice(NAMES), metavar="NAME")
@click.argument("span", type=RangeOfSeqs(), required=False, metavar="[A..B]")
@click.option(
    "--expires",
    type=Duration(1.0, MAX_LIFE_S),
    default="60s",
    show_default=True,
    help="How long it is valid; at most 1h.",
)
@click.option("--json", "as_json", is_flag=True, help="The answer as the gateway gave it, for programs.")
def command_command(
    config: Path, gateway: str, name: str, span: tuple[int, int] | None, expires: float, as_json: bool
) -> int:
    """Have a gateway do something, once: ping, status, check, reload, or resend A..B. Nothing opens a door.

    Signed with centre.key_file; the gateway must know the public half (uplink.centre_key_file). Exit 0: done.
    1: the gateway could not or would not do it. 75: nobody listens, or no answer came; it was carried out once or
    not at all.
    """
    if (name == "resend") != (span is not None):
        raise click.UsageError("resend takes a range A..B, the others none")
    from traceability import app, orders  # the centre's room, loaded when it is needed
    from traceability.sign import GatewayKeys

    settings = read_centre(config).centre
    args = None if span is None else {"first": span[0], "last": span[1]}
    made, payload = orders.make(gateway, name, args, expires, app.unix_ms(), app.own_signer(settings))
    outcome = orders.send(app.visitor(settings), settings.prefix, made, payload, GatewayKeys(settings.gateway_keys))
    if outcome.reply is None:
        raise Transient(*_silence(gateway, heard=outcome.heard))
    if not outcome.signed:
        click.echo(f"punchgate: the answer is not signed, or no key of {gateway} is known", err=True)
    reply = outcome.reply
    if as_json:
        click.echo(json.dumps(reply.model_dump(exclude_none=True), ensure_ascii=False))
        return 0 if reply.result == "done" else EXIT_FAILED
    if reply.result != "done":
        raise Rejected(f"{gateway}: {reply.result}: {reply.reason}")
    click.echo(f"{gateway}: done at {reply.time}")
    click.echo(json.dumps(reply.answer or {}, ensure_ascii=False, indent=2))
    return 0


def _silence(gateway: str, *, heard: bool) -> tuple[str]:
    if not heard:
        return (f"{gateway}: nobody listens there: it is not connected, or its version knows no commands",)
    return (f"{gateway}: no answer; see `downlink` in `punchgate status` there, and its log (command.refused)",)

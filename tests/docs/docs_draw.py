"""Draw what the pages take from the code.

`python tests/docs/docs_draw.py` redraws all that stands between markers, and the morning's journal.
"""

from __future__ import annotations

import json
from pathlib import Path

import docs_mistakes as mistakes
import docs_papers as papers
import docs_records as morning
import docs_supported as supported
from docs_pages import OURS, Painter, redrawn

from config.answers import Setup
from gateway.log import EVENTS

JOURNAL = Path(__file__).with_name("morning.jsonl")
OUTCOMES = (
    ("completed", "a read and its pass"),
    ("assumed", "a read on a lane without a sensor: nobody can say more"),
    ("not_taken", "a read, and the whole window was watched and nobody passed"),
    ("denied", "the device said no"),
    ("anonymous", "a pass on a free lane, or while an alarm is on"),
    ("forced", "a pass without a read on a controlled lane"),
    ("tailgate", "a further pass on one read"),
    ("wrong_way", "a pass against an open read, which stays open"),
    ("ambiguous", "it cannot be known; the candidates are named, nobody is guessed"),
)


def outcomes() -> str:
    """One punch of the morning for each outcome."""
    rows = []
    for outcome, meaning in OUTCOMES:
        punch = next(record["data"] for record in morning.records("punch") if record["data"]["outcome"] == outcome)
        refs = ", ".join(f"{name} {value}" for name, value in punch["refs"].items() if value not in (None, []))
        rows.append((f"`{outcome}`", meaning, punch["subject"]["kind"], punch["confidence"], refs))
    return mistakes.table(("outcome", "means", "subject.kind", "confidence", "refs"), rows)


def gateway_log() -> str:
    return mistakes.table(("event", "means"), [(f"`{event}`", meaning) for event, meaning in sorted(EVENTS.items())])


def setup_keys() -> str:
    """The table [setup] of an answers file, as the model has it."""
    rows = []
    for key, field in Setup.model_fields.items():
        default = "–" if field.default is None else f"`{json.dumps(field.default)}`"
        rows.append((f"`{key}`", default, str(field.description).rstrip(".")))
    return mistakes.table(("key of `[setup]`", "default", "meaning"), rows)


def line(text: str) -> str:
    return f"```json\n{text}\n```"


def _record(kind: str) -> Painter:
    return lambda: line(str(morning.records(kind)[0]["raw"]))


PAINTERS: dict[str, Painter] = {
    **{f"record {kind}": _record(kind) for kind in morning.kinds()},
    "outcomes": outcomes,
    "remembered": lambda: line(str(morning.records("credential.read")[-1]["raw"])),
    "new epoch": lambda: line(morning.next_epoch()),
    "marks in doubt": lambda: line(morning.doubt()),
    "pruned": lambda: line(str(morning.records("records.lost")[1]["raw"])),
    "state": lambda: papers.indented(papers.state()),
    "will": lambda: papers.indented(papers.will()),
    "device": lambda: papers.indented(papers.device()),
    "receipt": lambda: papers.indented(papers.receipt()),
    "directory tokens": lambda: papers.indented(papers.directory("tokens")),
    "directory lists": lambda: papers.indented(papers.directory("lists")),
    "directory visits": lambda: papers.indented(papers.directory("visits")),
    "command": lambda: papers.indented(papers.command()),
    "reply": lambda: papers.indented(papers.reply()),
    "gateway log": gateway_log,
    "broker reasons": mistakes.broker_reasons,
    "network reasons": mistakes.network_reasons,
    "port reasons": mistakes.port_reasons,
    "configuration mistakes": mistakes.configuration_mistakes,
    "secret mistakes": mistakes.secret_mistakes,
    "record refusals": mistakes.record_refusals,
    "supported drivers": supported.overview,
    "supported proofs": supported.proofs,
    "supported models": supported.models,
    "driver table": supported.readme,
    "receipt refusals": mistakes.receipt_refusals,
    "setup keys": setup_keys,
}


def journal() -> str:
    """The whole morning, one record a line."""
    return "".join(f"{record['raw']}\n" for record in morning.morning())


def main() -> None:
    JOURNAL.write_text(journal(), "utf-8")
    for page in OURS:
        if page.exists():
            page.write_text(redrawn(page.read_text("utf-8"), PAINTERS), "utf-8")


if __name__ == "__main__":
    main()

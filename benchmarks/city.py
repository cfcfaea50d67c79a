"""A city of sites, people and days as records, with the truth beside them; and the truth held against a centre.

    python benchmarks/city.py generate -o DIR [--sites 50] [--people 20000] [--days 30] [--seed 1] [--calm]
    python benchmarks/city.py check DIR        the plainest centre there can be, against the truth
    python benchmarks/city.py feed DIR DATABASE      every message through the ledger into the tables of presence
    python benchmarks/city.py compare DIR DATABASE   the same, and then the answers of that centre, against the truth

`generate` plays each gateway through the product's own pairing and encoder, in several processes. All four print one
JSON object on stdout, and how far they are on stderr; `compare` exits with 1 if an answer is wrong without a word of
doubt, or not the same again as known then. `gateway/simulation/city` says what a city is.
"""

from __future__ import annotations

import argparse
import json
import logging
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import get_args

import structlog

sys.path.insert(0, str(Path(__file__).parent))

from gateway.simulation.city import compare, deliveries, files, layout
from gateway.simulation.city.build import Name, Plan, Played
from gateway.simulation.city.claims import table
from gateway.simulation.city.judge import Judge
from gateway.simulation.city.settings import DAY, HOUR, MINUTE, Settings

plan: Plan | None = None
"""Made before the processes are forked, so that all of them have it."""


def generate(arguments: argparse.Namespace) -> dict[str, object]:
    """Make the city; returns its size and how fast it was made."""
    global plan
    folder: Path = arguments.output
    (folder / "deliveries").mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    settings = Settings(
        arguments.sites,
        arguments.people,
        arguments.days,
        arguments.seed,
        calm=arguments.calm,
        heartbeat_s=arguments.heartbeat,
    )
    plan = Plan(settings)
    walked_s = time.monotonic() - begun
    say(f"{len(plan.gateways)} gateways, {settings.people} people: everybody walked, {walked_s:.0f} s")
    played, records = [], 0
    for done, (one, cpu_s) in enumerate(_play_all(folder, arguments.processes), 1):
        played.append((one, cpu_s))
        records += one.records
        say(f"{done}/{len(plan.gateways)} gateways, {records} records, {time.monotonic() - begun:.0f} s")
    files.save(plan.truth([one for one, _ in played], with_stays=False), folder / "truth", plan.walk.stays())
    took_s, cpu_s = time.monotonic() - begun, sum(cpu_s for _, cpu_s in played)
    facts: dict[str, object] = {
        "settings": asdict(settings),
        "records": records,
        "record_bytes": sum(one.record_bytes for one, _ in played),
        "file_bytes": sum(path.stat().st_size for path in (folder / "deliveries").iterdir()),
        "walk_s": round(walked_s, 1),
        "took_s": round(took_s, 1),
        "records_a_cpu_s": round(records / max(cpu_s, 0.001)),
        "processes": arguments.processes,
    }
    (folder / "city.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    return facts


def _play_all(folder: Path, processes: int) -> Iterator[tuple[Played, float]]:
    assert plan is not None
    jobs = [(folder, name) for name in plan.gateways]
    with multiprocessing.get_context("fork").Pool(processes, _be_quiet) as pool:
        yield from pool.imap(_play, jobs)


def _be_quiet() -> None:
    """A simulated clock that is set is no news."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))


def _play(job: tuple[Path, Name]) -> tuple[Played, float]:
    assert plan is not None
    folder, name = job
    begun = time.process_time()
    writer = deliveries.Writer(folder / "deliveries" / f"{'+'.join(name)}{deliveries.SUFFIX}")
    played = plan.play(name, writer)
    writer.close()
    return played, time.process_time() - begun


def check(arguments: argparse.Namespace) -> dict[str, object]:
    """The naive fold against the truth."""
    settings = _settings(arguments.city)
    truth = files.load(arguments.city / "truth")
    moves = compare.steps(layout.lay_out(settings), deliveries.read_all(arguments.city))
    claims = compare.claims_of(compare.fold(truth, moves))
    asked = compare.samples(truth, settings.begin_ms, settings.end_ms, arguments.every * MINUTE)
    verdict = compare.compare(truth, claims, asked)
    say("\n".join(verdict.lines()))
    return asdict(verdict) | {"moves": len(moves), "stays": len(truth.stays)}


def feed(arguments: argparse.Namespace) -> dict[str, object]:
    """All messages into a ledger and into the tables of presence, with what operators say, at the city's times."""
    from city_centre import Centre, entries_of

    begun = time.monotonic()
    centre = Centre(str(arguments.database), _settings(arguments.city).begin_ms)
    truth = files.load(arguments.city / "truth", with_stays=False)
    arriving = deliveries.ordered(deliveries.read_all(arguments.city), arguments.order, 1)

    def told(count: int) -> bool:
        say_seldom(f"{count} records, {_since(begun)} s")
        return _since(begun) < arguments.minutes * 60

    centre.feed(arriving, entries_of(truth), told)
    centre.close()
    return _speeds(centre.counts, centre.seconds) | {"until_ms": centre.now_ms, "took_s": _since(begun)}


def compare_all(arguments: argparse.Namespace) -> dict[str, object]:
    """Feed a centre and hold its answers against the truth."""
    from city_centre import Centre, entries_of
    from city_compare import Memory, Sample, ask_all, questions

    from traceability.presence.moments import Span

    begun, settings = time.monotonic(), _settings(arguments.city)
    truth = files.load(arguments.city / "truth")
    centre = Centre(arguments.database, settings.begin_ms)
    memory = Memory(Judge(truth), settings)
    noted_ms = [settings.begin_ms]

    def told(count: int) -> bool:
        say_seldom(f"{count} records, {_since(begun)} s")
        if arguments.known_at and centre.now_ms - noted_ms[0] >= arguments.known_at * HOUR:
            noted_ms[0] = centre.now_ms
            memory.note(centre)
        return _since(begun) < arguments.minutes * 60

    is_whole = bool(arguments.fed)
    if not arguments.fed:
        arriving = deliveries.ordered(deliveries.read_all(arguments.city), arguments.order, 1)
        is_whole = centre.feed(arriving, entries_of(truth), told)
    sample = Sample(
        *(getattr(arguments, name) for name in ("moments", "people", "meetings", "second", "days", "seed"))
    )
    until_ms = min(settings.end_ms, arguments.until or (settings.end_ms if is_whole else centre.now_ms))
    asked = ask_all(centre, truth, list(questions(truth, Span(settings.begin_ms, until_ms), sample)), say_seldom)
    differing = memory.differing(centre)
    centre.close()
    tallies = asked.judge.tallies | memory.judge.tallies
    say("\n".join(table(tallies)))
    wrong = asked.judge.unflagged + memory.judge.unflagged
    return {
        "failed": bool(wrong or differing),
        "settings": asdict(settings),
        "order": arguments.order,
        "days": round((until_ms - settings.begin_ms) / DAY, 2),
        "fed": _speeds(centre.counts, centre.seconds),
        "claims": {name: tally.as_dict() for name, tally in tallies.items()},
        "slowest_ms": asked.ms,
        "digest": asked.digest,
        "as_known_at": {"asked": len(memory.told), "differing": differing, "changed_since": memory.changed},
        "took_s": _since(begun),
    }


def _speeds(counts: Counter[str], seconds: dict[str, float]) -> dict[str, object]:
    return {
        "records": counts["new"],
        "repeated": counts["repeated"],
        "ledger_records_a_s": round(counts["new"] / max(0.001, seconds["ledger"])),
        "presence_records_a_s": round(counts["new"] / max(0.001, seconds["presence"])),
    }


def _since(begun: float) -> int:
    return round(time.monotonic() - begun)


def _settings(folder: Path) -> Settings:
    return Settings(**json.loads((folder / "city.json").read_text(encoding="utf-8"))["settings"])


def say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


_said = [0.0]


def say_seldom(words: str) -> None:
    """At most once a second."""
    if time.monotonic() - _said[0] >= 1:
        _said[0] = time.monotonic()
        say(words)


def main(words: Iterable[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    tasks = parser.add_subparsers(required=True)
    make = tasks.add_parser("generate", help="make a city")
    make.add_argument("-o", "--output", type=Path, required=True, metavar="DIR")
    for name, default in (("sites", 50), ("people", 20_000), ("days", 30), ("seed", 1)):
        make.add_argument(f"--{name}", type=int, default=default)
    make.add_argument("--heartbeat", type=int, default=600, metavar="S", help="seconds between two state messages")
    make.add_argument("--calm", action="store_true", help="nothing breaks, every card is known")
    make.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    make.set_defaults(task=generate)
    judge = tasks.add_parser("check", help="hold the plainest centre against the truth")
    judge.add_argument("city", type=Path)
    judge.add_argument("--every", type=int, default=60, metavar="MIN", help="minutes between two questions")
    judge.set_defaults(task=check)
    load = tasks.add_parser("feed", help="put every message into a centre's database")
    load.set_defaults(task=feed)
    hold = tasks.add_parser("compare", help="feed a centre, and hold its answers against the truth")
    hold.add_argument("--fed", action="store_true", help="the database has it all already, from `feed`")
    hold.add_argument(
        "--until", type=int, metavar="MS", help="ask of no later moment: `until_ms` of a feed cut short"
    )
    hold.add_argument("--known-at", type=int, default=0, metavar="H", help="ask every so many hours, and again")
    for name, default in (
        ("moments", 200),
        ("people", 100),
        ("meetings", 50),
        ("second", 10),
        ("days", 3),
        ("seed", 1),
    ):
        hold.add_argument(f"--{name}", type=int, default=default)
    hold.set_defaults(task=compare_all)
    for each in (load, hold):
        each.add_argument("city", type=Path)
        each.add_argument("database", help="an empty one: a file, or postgresql://…")
        each.add_argument("--minutes", type=int, default=10**6, metavar="M", help="stop feeding after so long")
        each.add_argument("--order", choices=get_args(deliveries.Order), default="true")
    arguments = parser.parse_args(None if words is None else list(words))
    result = arguments.task(arguments)
    print(json.dumps(result))
    return int(result.get("failed", False))


if __name__ == "__main__":
    sys.exit(main())

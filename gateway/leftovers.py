"""Records of an earlier run, or that are gone, as the words today's rooms work with."""

from __future__ import annotations

import json
from datetime import datetime

from gateway.clock import Moment
from gateway.journal import Entry
from gateway.passage import OpenRead
from gateway.records import Draft, LossCause, Lost
from gateway.spans import Range


def lost(cause: LossCause, epoch: str, span: Range, moment: Moment) -> Draft:
    """The declaration of records that are gone."""
    first, last = span
    return Draft(Lost(cause=cause, epoch=epoch, first=first, last=last, count=last - first + 1), moment)


def open_read(entry: Entry) -> OpenRead:
    """A read that was not closed, from its line."""
    event = json.loads(entry.line)
    return OpenRead.from_line_data(entry.seq, _unix_ms(event["time"]), event["data"])


def _unix_ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)

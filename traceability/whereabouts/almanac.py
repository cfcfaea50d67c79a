"""What dates the records of each gateway, kept from turn to turn: read once, and then told of each record that comes.

It is right as long as nobody else takes a turn in between. A gateway that was just read may know more than its signs
say, so all its records in doubt are looked at once; later only those that something has stirred.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from gateway.wire import Line
from traceability import clocks, times
from traceability.anchors import Reading
from traceability.database import Connection
from traceability.dating import Dated
from traceability.growing import Growing, Stirred
from traceability.whereabouts.rows import Place

Name = tuple[str, str]
"""Site and gateway."""


@dataclass(slots=True)
class Story:
    """One gateway. `places`: chain and position of its epochs; `is_checked`: its signs are dated by all it knew.

    `waited`: records that name a moment of an earlier boot, with their own boot and that one.
    """

    chronicle: Growing
    places: Mapping[str, tuple[int, int]]
    is_checked: bool = False
    waited: dict[Place, tuple[str, str]] = field(default_factory=dict)

    def date(self, place: Place, reading: Reading) -> Dated:
        """When it happened."""
        if reading.since is not None:
            self.waited[place] = (reading.boot, reading.since[0])
        return self.chronicle.date(reading)

    def learn(self, line: Line, reading: Reading) -> None:
        """What a record says of the clocks, of an epoch that is known."""
        if reading.boot:
            self.chronicle.tick(reading.boot, reading.boot_ns)
        anchor = clocks.anchor_of(line)
        if anchor is not None:
            self.chronicle.add(replace(anchor, place=(*self.places[line.epoch], line.seq)))

    def waiting(self, stirred: Stirred) -> list[Place]:
        """Records that rest on a boot of which something is known better."""
        return [place for place, boots in self.waited.items() if not stirred.boots.isdisjoint(boots)]


@dataclass(slots=True)
class Almanac:
    """All gateways of which something was read."""

    stories: dict[Name, Story] = field(default_factory=dict)

    def story(self, connection: Connection, name: Name) -> Story:
        """Of one gateway; read if it is not known."""
        if name not in self.stories:
            chronicle, places = times.story_of(connection, *name)
            self.stories[name] = Story(chronicle, places)
        return self.stories[name]

    def learn(self, connection: Connection, told: Iterable[tuple[Line, Reading]]) -> None:
        """New records, before any of them is dated. A new epoch may change the order of all: it is read again."""
        for line, reading in told:
            name = (line.site, line.gateway)
            story = self.stories.get(name)
            if story is not None and (line.seq == 1 or line.epoch not in story.places):
                del self.stories[name]
                story = None
            if story is None:
                self.story(connection, name)
            else:
                story.learn(line, reading)

"""One broker for all tests that leave it alone; every test has its own prefix, folder and ports."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.simulation.broker import HOST, Broker, Make, mosquitto

from .certificates import Certificates
from .ear import Ear
from .site import Site

_numbers = itertools.count(1)

BrokerMaker = Callable[..., Broker]
SiteMaker = Callable[..., Site]


def _mosquitto(extra: str = "", anonymous: bool = True) -> Make:
    """mosquitto as the demo runs it, with more lines in its configuration."""
    make = mosquitto(shutil.which("mosquitto") or "mosquitto")

    def settings(port: int) -> str:
        text = make.settings(port) + extra
        return text if anonymous else text.replace("allow_anonymous true", "allow_anonymous false")

    return Make(make.name, make.shared_subscriptions, settings, make.command)


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker nobody stops."""
    with Broker(_mosquitto(), tmp_path_factory.mktemp("broker")) as broker:
        yield broker


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[BrokerMaker]:
    """Makes a broker that the test may stop; `extra` are lines of its configuration."""
    made: list[Broker] = []

    def make(extra: str = "", *, anonymous: bool = True) -> Broker:
        folder = tmp_path / f"broker-{len(made)}"
        folder.mkdir()
        made.append(Broker(_mosquitto(extra, anonymous), folder))
        made[-1].start()
        return made[-1]

    yield make
    for broker in made:
        broker.kill()


@pytest.fixture
def make_site(tmp_path: Path, broker: Broker) -> Iterator[SiteMaker]:
    """Makes a site; at the common broker under a prefix of its own unless it is given a URL."""
    made: list[Site] = []

    def make(url: str | None = None, **values: str) -> Site:
        number = next(_numbers)
        prefix = values.pop("prefix", f"test-{number}/v1")
        made.append(Site(tmp_path / f"site-{number}", url or broker.url, prefix, **values))
        made[-1].forked = True
        return made[-1]

    yield make
    for site in made:
        site.clear()


@pytest.fixture
def site(make_site: SiteMaker) -> Site:
    """A site at the common broker."""
    return make_site()


@pytest.fixture
def ear(site: Site, broker: Broker) -> Iterator[Ear]:
    """A stranger who hears everything of `site`."""
    with Ear(HOST, broker.port, site.prefix) as ear:
        yield ear


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """A CA of our own and what it has signed."""
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def module_site(tmp_path_factory: pytest.TempPathFactory, broker: Broker) -> Iterator[Site]:
    """A site that the tests of one file share."""
    site = Site(tmp_path_factory.mktemp("shared"), broker.url, f"shared-{next(_numbers)}/v1")
    site.forked = True
    yield site
    site.clear()

"""The list of supported devices leaves nothing out: every driver, every capture, every vector."""

from __future__ import annotations

import docs_supported as supported
import pytest

from drivers import registry


def test_every_driver_has_one_place_in_the_list() -> None:
    assert sorted(supported.drivers()) == sorted(registry.names())


@pytest.mark.parametrize("driver", registry.names())
def test_every_model_of_a_capture_has_a_name_and_every_name_a_capture(driver: str) -> None:
    assert {supported.model_of(capture) for capture in supported.captures(driver)} == set(supported.MODELS[driver])


@pytest.mark.parametrize("driver", registry.names())
def test_every_capture_says_what_it_is(driver: str) -> None:
    for capture in supported.captures(driver):
        assert supported.first_line(capture), f"{capture.name} begins without a comment"


@pytest.mark.parametrize("driver", registry.names())
def test_every_driver_can_be_simulated(driver: str) -> None:
    assert supported.simulated(driver)


def test_every_vector_is_counted_for_a_driver() -> None:
    assert set(supported.origins()) <= set(registry.names())


def test_only_drivers_that_never_read_a_card_leave_recordings_as_they_are() -> None:
    silent = {name for name in registry.names() if registry.find(name).redact is None}
    assert silent == {name for name in registry.names() if registry.find(name).emits == {"passage"}}

"""Fixtures for integrations: nothing may be swallowed unless a test says so."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
import sentrial

from tests.support.sdk import client_for, emptied

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.collector import Collector


@pytest.fixture(name="collector")
def collector_that_gets_everything(collector: Collector) -> Iterator[Collector]:
    """Give the collector of the tests, which in the end gets what is still queued."""
    with emptied(collector):
        yield collector


@pytest.fixture
def client(collector: Collector) -> sentrial.SentrialClient:
    """Give a client of the collector, silent and in the background."""
    return client_for(collector)


@pytest.fixture(autouse=True)
def nothing_swallowed(
    request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> Iterator[None]:
    """Fail a test in which an integration could not record something.

    Tests of that very thing are marked with `swallows`.
    """
    sentrial.clear_session_context()
    with caplog.at_level(logging.DEBUG, "sentrial"):
        yield
    sentrial.clear_session_context()
    if request.node.get_closest_marker("swallows") is None:
        lines = [r.getMessage() for r in caplog.records if "could not record" in r.getMessage()]
        assert lines == []

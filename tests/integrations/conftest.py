"""Fixtures for integrations: nothing may be swallowed unless a test says so."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
import sentrial

from tests.support.fixtures import collector_that_gets_everything
from tests.support.sdk import client_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.collector import Collector


__all__ = ["client", "collector_that_gets_everything", "nothing_swallowed"]


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

"""Fixtures of this folder."""

from __future__ import annotations

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


@pytest.fixture(autouse=True)
def no_default_client(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Begin without a default client and without a current session."""
    monkeypatch.setattr("sentrial.client._default", None)
    sentrial.clear_session_context()
    yield
    sentrial.clear_session_context()


@pytest.fixture
def client(collector: Collector) -> sentrial.SentrialClient:
    """Give a client of the collector in the background, which is the default client."""
    import sentrial.client

    made = client_for(collector)
    sentrial.client._default = made
    return made


@pytest.fixture(params=["background", "immediate"])
def either(request: pytest.FixtureRequest, collector: Collector) -> sentrial.SentrialClient:
    """Give a default client of the collector, once for each way of delivery."""
    import sentrial.client

    made = client_for(collector, batching=False if request.param == "immediate" else None)
    sentrial.client._default = made
    return made

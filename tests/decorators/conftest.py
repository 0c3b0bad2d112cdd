"""Fixtures of this folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.fixtures import collector_that_gets_everything, no_default_client
from tests.support.sdk import client_for

if TYPE_CHECKING:
    import sentrial

    from tests.support.collector import Collector

__all__ = ["client", "collector_that_gets_everything", "either", "no_default_client"]


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

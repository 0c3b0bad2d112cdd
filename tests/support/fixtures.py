"""Fixtures that several folders share: they are imported by the conftest of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import sentrial

from tests.support.sdk import emptied

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

"""Fixtures for the tests of outages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.collector import Collector
from tests.support.sdk import emptied

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def server() -> Iterator[Collector]:
    """Give a collector that honours idempotency keys, as the local server does."""
    with Collector(honours_keys=True) as running, emptied(running):
        yield running

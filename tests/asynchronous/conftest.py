"""Fixtures: every client delivers what it has before the collector goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.collector import Collector
from tests.support.sdk import emptied

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def collector() -> Iterator[Collector]:
    """Give a collector that no client outlives with something queued."""
    with Collector() as running, emptied(running):
        yield running

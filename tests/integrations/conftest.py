"""Fixtures of the integrations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.sdk import emptied

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.collector import Collector


@pytest.fixture
def collector(collector: Collector) -> Iterator[Collector]:
    """Give a collector to which everything is delivered before it goes."""
    with emptied(collector):
        yield collector

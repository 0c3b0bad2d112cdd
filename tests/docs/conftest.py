"""One local server for all pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.local_server import running_local_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.local_server import LocalServer


@pytest.fixture(scope="module")
def docs_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    """Give a running `sentrial dev` and a key, for all blocks of a module."""
    with running_local_server(tmp_path_factory.mktemp("docs")) as running:
        yield running

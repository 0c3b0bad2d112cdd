"""A provider's upstream, our server, and what reached it, for the tests of the wrappers."""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
import sentrial

from tests.support.llm_upstream import LLMUpstream
from tests.support.sdk import client_for, emptied

if TYPE_CHECKING:
    from tests.support.collector import Collector

Events = Callable[[], list[Any]]


@pytest.fixture
def upstream() -> Iterator[LLMUpstream]:
    """Give a running provider."""
    with LLMUpstream() as running:
        yield running


@pytest.fixture
def client(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Give a client of the collector, which is the default client too."""
    made = client_for(collector)
    monkeypatch.setattr("sentrial.client._default", made)
    with emptied(collector):
        yield made


@pytest.fixture
def session(client: Any) -> Iterator[Any]:
    """Give an interaction that is current."""
    with client.begin("user", "agent") as interaction:
        yield interaction


@pytest.fixture
def events(client: Any, collector: Collector) -> Events:
    """Give a function that delivers everything and returns the events."""

    def sent() -> list[Any]:
        client.flush()
        return collector.events()

    return sent


@pytest.fixture
def openai_client(upstream: LLMUpstream) -> Iterator[Callable[..., Any]]:
    """Give a function that makes wrapped OpenAI clients."""
    openai = pytest.importorskip("openai")
    with contextlib.ExitStack() as stack:

        def make(cls: Any = None, **options: Any) -> Any:
            made = (cls or openai.OpenAI)(
                **{"api_key": "k", "base_url": f"{upstream.url}/v1", "max_retries": 0} | options
            )
            if isinstance(made, openai.OpenAI):
                stack.callback(made.close)
            return sentrial.wrap_openai(made)

        yield make


@pytest.fixture
def anthropic_client(upstream: LLMUpstream) -> Iterator[Callable[..., Any]]:
    """Give a function that makes wrapped Anthropic clients."""
    anthropic = pytest.importorskip("anthropic")
    with contextlib.ExitStack() as stack:

        def make(cls: Any = None, **options: Any) -> Any:
            made = (cls or anthropic.Anthropic)(
                **{"api_key": "k", "base_url": upstream.url, "max_retries": 0} | options
            )
            if isinstance(made, anthropic.Anthropic):
                stack.callback(made.close)
            return sentrial.wrap_anthropic(made)

        yield make


def has(name: str) -> bool:
    """Tell whether a package is installed."""
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False

"""Mistakes a type checker must report: an ignore that is not needed is an error here."""

from __future__ import annotations

import sentrial
from sentrial import Interaction, SentrialClient, tool
from sentrial._core import Pending


@tool
def search(query: str) -> int:
    return len(query)


@tool("lookup")
async def lookup(query: str) -> int:
    return len(query)


def configured() -> None:
    sentrial.configure(api_key=1)  # type: ignore[arg-type]
    sentrial.configure(time_out=5)  # type: ignore[call-arg]
    SentrialClient(batching="yes")  # type: ignore[arg-type]
    sentrial.no_such_name  # type: ignore[attr-defined]  # noqa: B018


def assigned(client: SentrialClient, interaction: Interaction) -> None:
    client.api_url = "http://127.0.0.1:3001"  # type: ignore[misc]
    client.api_key = 1  # type: ignore[assignment]
    client.current_state = []  # type: ignore[assignment]
    client.sesion = None  # type: ignore[attr-defined]
    interaction.event = "other"  # type: ignore[misc]


def followed(client: SentrialClient, interaction: Interaction) -> None:
    client.track_tool_call("session", "search")  # type: ignore[call-arg]
    client.track_tool_call("session", 5, {}, {})  # type: ignore[arg-type]
    client.track_error("session")  # type: ignore[call-arg]
    # The id is None after a silent failure.
    client.complete_session(interaction.session_id)  # type: ignore[arg-type]
    interaction.track_tool_call("search", {}, {}, trace_id="t")  # type: ignore[call-arg]
    interaction.finish(outptu="hi")  # type: ignore[call-arg]
    client.begin("user")  # type: ignore[call-arg]
    SentrialClient.calculate_openai_cost(None, 1, 2)  # type: ignore[arg-type]


async def awaited(client: SentrialClient) -> None:
    # Only what is delivered in the background can be awaited, so the type does not promise it.
    await client.track_error("session", "bad")  # type: ignore[misc]


async def decorated() -> None:
    search(5)  # type: ignore[arg-type]
    search("x", limit=3)  # type: ignore[call-arg]
    wrong: int = lookup("x")  # type: ignore[assignment]
    await search("x")  # type: ignore[misc]
    tool(5)  # type: ignore[call-overload]
    del wrong


class OwnPending(Pending):  # type: ignore[misc]
    """Not a base class."""

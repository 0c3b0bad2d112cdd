"""The client, its interactions and the module-level functions, as a type checker sees them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sentrial
from sentrial import BatcherConfig, EventType, Interaction, PiiConfig, SentrialClient
from typing_extensions import assert_type


def configured() -> None:
    assert_type(sentrial.__version__, str)
    assert_type(sentrial.configure(), None)
    assert_type(sentrial.configure("key", "http://127.0.0.1:3001", False, True, False), None)
    sentrial.configure(api_key="key", pii={"enabled": True}, batching={"flush_threshold": 5})
    sentrial.configure(pii=PiiConfig(enabled=True), batching=BatcherConfig(flush_interval=0.5))
    sentrial.configure(timeout=5, max_retries=0, spool="off", spool_dir=Path("spool"))
    assert_type(sentrial.flush(), None)
    assert_type(sentrial.flush(timeout=1), None)
    assert_type(sentrial.stats(), dict[str, Any])
    assert_type(sentrial.shutdown(), None)
    assert_type(sentrial.close(), None)


def constructed() -> SentrialClient:
    SentrialClient("http://127.0.0.1:3001", "key", True, None, PiiConfig(), BatcherConfig())
    client = SentrialClient(
        api_url="http://127.0.0.1:3001",
        api_key="key",
        fail_silently=False,
        timeout=5.0,
        max_retries=3,
        wait_timeout=5,
        shutdown_timeout=2.0,
        shutdown_max=15.0,
        session_concurrency=1,
        max_state_bytes=16_384,
        max_event_bytes=1_048_576,
        spool="durable",
        spool_dir="spool",
        ca_file=Path("ca.pem"),
        proxy="http://127.0.0.1:8080",
        allow_http=True,
        project_id="project",
    )
    assert_type(client.api_url, str)
    assert_type(client.api_key, str | None)
    client.api_key = "another"
    assert_type(client.fail_silently, bool)
    assert_type(client.pii, PiiConfig | bool | None)
    assert_type(client.current_state, dict[str, Any])
    client.current_state = {"step": 1}
    client.current_state["step"] = 2
    assert_type(client.update_state("step", 3), None)
    assert_type(client.stats(), dict[str, Any])
    assert_type(client.calculate_openai_cost("gpt-4o", 10, 20), float)
    assert_type(SentrialClient.calculate_google_cost("gemini-2.5-pro", 10, 20), float)
    return client


def followed_session(client: SentrialClient) -> None:
    session_id = client.create_session("chat", "agent", "user", metadata={"plan": "pro"})
    assert_type(session_id, str | None)
    if session_id is None:
        return
    receipt = client.track_tool_call(session_id, "search", {"q": "x"}, {"hits": 3}, "why", 0.1)
    assert_type(receipt, dict[str, Any])
    # Documented to be accepted: values that are no objects, and errors in any form.
    client.track_tool_call(session_id, "search", "x", ["a"], tool_error=ValueError("bad"))
    client.track_tool_call(session_id, "search", {}, None, tool_error="bad", duration_ms=12.5)
    assert_type(client.track_decision(session_id, "why", ["a"], 0.9, chosen="a"), dict[str, Any])
    assert_type(client.track_error(session_id, "bad", "ValueError"), dict[str, Any])
    assert_type(client.track_llm_call(session_id, "gpt-4o", output="hi"), dict[str, Any])
    assert_type(client.track_state_change(session_id, {"step": 4}), dict[str, Any])
    assert_type(client.track_event(session_id, EventType.STATE_CHANGE, a=1), dict[str, Any])
    assert_type(client.track_event(session_id, "custom", tool_name="x"), dict[str, Any])
    assert_type(client.update_session(session_id, user_id="user"), dict[str, Any])
    assert_type(client.complete_session(session_id, True, output="done"), dict[str, Any])
    assert_type(client.close_session(session_id, 12, status="success"), dict[str, Any])


def followed_interaction() -> int:
    interaction = sentrial.begin("user", "chat", "hello", metadata={"plan": "pro"})
    assert_type(interaction, Interaction)
    assert_type(interaction.client, SentrialClient)
    assert_type(interaction.session_id, str | None)
    assert_type(interaction.event_id, str)
    assert_type(interaction.user_id, str)
    assert_type(interaction.event, str)
    assert_type(interaction.track_tool_call("search", {"q": "x"}, {"hits": 3}), dict[str, Any])
    assert_type(interaction.track_decision("why", confidence=0.5), dict[str, Any])
    assert_type(interaction.track_error("bad"), dict[str, Any])
    assert_type(interaction.set_output("hi"), None)
    assert_type(interaction.finish(custom_metrics={"score": 0.5}), dict[str, Any])
    with (
        sentrial.begin(user_id="user", event="chat", parent_session_id=interaction) as child,
        SentrialClient() as client,
    ):
        assert_type(child, Interaction)
        assert_type(client, SentrialClient)
        # Neither swallows an exception: nothing needs to be returned after the block.
        return 1


class OwnClient(SentrialClient):
    """Subclasses may narrow and add; ``with`` and ``copy`` keep their type."""

    region: str

    def track_tool_call(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Count before."""
        return super().track_tool_call(*args, **kwargs)


def own(client: OwnClient) -> None:
    client.region = "eu"
    with client as same:
        assert_type(same, OwnClient)
    assert_type(client.begin("user", "chat"), Interaction)


def context(client: SentrialClient) -> None:
    assert_type(sentrial.set_session_context("session", client), None)
    sentrial.set_session_context(None)
    assert_type(sentrial.get_session_context(), str | None)
    assert_type(sentrial.get_current_session_id(), str | None)
    assert_type(sentrial.clear_session_context(), None)
    assert_type(sentrial.get_experiment_context(), sentrial.ExperimentContext | None)
    assert_type(sentrial.get_system_prompt("default"), str)
    assert_type(sentrial.get_variant_name(), str | None)
    assert_type(sentrial.is_experiment_mode(), bool)

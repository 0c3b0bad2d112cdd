"""What the spans of the recorded scenario become, body by body.

Sessions end with their root here; in the recording of 0.6.0 they all end at shutdown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("opentelemetry.sdk.trace")

from tests.integrations.otel_support import Traced

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.collector import Collector


@pytest.fixture(params=["background", "immediate"])
def traced(
    request: pytest.FixtureRequest, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Traced]:
    monkeypatch.setenv("SENTRIAL_DELIVERY", request.param)
    made = Traced(collector)
    yield made
    made.close()


def only_session(traced: Traced) -> list[Any]:
    """Return the bodies of the one session, without durations."""
    (bodies,) = traced.sessions().values()
    for body in bodies:
        for where in (body, body.get("metadata") or {}):
            for name in ("durationMs", "duration_ms"):
                if name in where:
                    assert where.pop(name) >= 0
        # Says which price list was used: of this SDK alone.
        (body.get("metadata") or {}).pop("prices_version", None)
        body.pop("sessionId", None)
    return bodies


def created(number: int = 1, user: str = "anonymous") -> dict[str, Any]:
    return {
        "name": f"OTel Trace: {number:08x}",
        "agentName": "proj",
        "userId": user,
        "metadata": {"trace_id": f"{number:08x}{7:024x}", "source": "opentelemetry"},
    }


def llm_event(
    provider: str,
    model: str,
    tokens: tuple[int, int, int],
    cost: float,
    *,
    name: str,
    messages: tuple[Any, Any] = (None, None),
    **metadata: Any,
) -> dict[str, Any]:
    prompt, completion, total = tokens
    output = {
        "messages": messages[1],
        "tokens": {"prompt": prompt, "completion": completion, "total": total},
    }
    return {
        "eventType": "tool_call",
        "toolName": f"llm:{provider}:{model}",
        "toolInput": {"messages": messages[0], "model": model, "provider": provider},
        "toolOutput": output,
        "reasoning": "LLM call via OpenTelemetry",
        "stateBefore": {},
        "stateAfter": {f"llm:{provider}:{model}_result": output},
        "estimatedCost": pytest.approx(cost, abs=1e-12),
        "tokenCount": total,
        "traceId": f"{1:08x}{7:024x}",
        "spanId": f"{1:016x}",
        "metadata": {"otel_span_name": name, **metadata},
    }


def test_old_genai_names(traced: Traced) -> None:
    traced.span(
        "chat gpt-4o",
        {
            "gen_ai.system": "openai",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.prompt": '[{"role":"user","content":"hi"}]',
            "gen_ai.completion": "plain text",
            "gen_ai.usage.prompt_tokens": 100,
            "gen_ai.usage.completion_tokens": 50,
            "user.id": "user-7",
        },
    )
    assert only_session(traced) == [
        created(user="user-7"),
        llm_event(
            "openai",
            "gpt-4o",
            (100, 50, 150),
            0.00075,
            name="chat gpt-4o",
            messages=(
                [{"role": "user", "content": "hi"}],
                [{"role": "assistant", "content": "plain text"}],
            ),
        ),
        {
            "status": "completed",
            "success": True,
            "estimatedCost": pytest.approx(0.00075),
            "promptTokens": 100,
            "completionTokens": 50,
            "totalTokens": 150,
        },
    ]


def test_vendor_prefix_of_a_model_is_cut(traced: Traced) -> None:
    traced.span(
        "anthropic call",
        {
            "gen_ai.system": "anthropic",
            "gen_ai.request.model": "anthropic/claude-3-opus",
            "gen_ai.usage.input_tokens": 10,
            "gen_ai.usage.output_tokens": 5,
            "gen_ai.operation.name": "chat",
        },
    )
    assert only_session(traced)[1] == llm_event(
        "anthropic", "claude-3-opus", (10, 5, 15), 0.000525, name="anthropic call"
    )


def test_short_names(traced: Traced) -> None:
    traced.span(
        "x",
        {
            "llm.model": "gemini-2.0-flash",
            "llm.provider": "google",
            "llm.input": "q",
            "llm.output": "a",
            "llm.token_count.prompt": 3,
            "llm.token_count.completion": 4,
            "llm.token_count.total": 99,
        },
    )
    assert only_session(traced)[1] == llm_event(
        "google",
        "gemini-2.0-flash",
        (3, 4, 99),
        1.9e-06,
        name="x",
        messages=(
            [{"role": "user", "content": "q"}],
            [{"role": "assistant", "content": "a"}],
        ),
    )


def test_unknown_price_is_not_guessed(traced: Traced) -> None:
    traced.span(
        "x", {"ai.model": "mystery", "ai.provider": "acme", "gen_ai.usage.prompt_tokens": 1000}
    )
    bodies = only_session(traced)
    assert bodies[1] == llm_event(
        "acme", "mystery", (1000, 0, 1000), 0.0, name="x", cost_unknown=True
    )
    assert bodies[2] == {
        "status": "completed",
        "success": True,
        "promptTokens": 1000,
        "totalTokens": 1000,
    }


def test_tool_and_generic_spans(traced: Traced) -> None:
    with traced.tracer.start_as_current_span("root") as root:
        root.set_attribute("gen_ai.operation.name", "invoke_agent")
        traced.span("run", {"gen_ai.tool.name": "search", "gen_ai.operation.name": "execute_tool"})
    state = {"search_result": {"status": "UNSET"}}
    assert only_session(traced) == [
        created(),
        {
            "eventType": "tool_call",
            "toolName": "search",
            "toolInput": {
                "otel_attributes": {
                    "gen_ai.tool.name": "search",
                    "gen_ai.operation.name": "execute_tool",
                }
            },
            "toolOutput": {"status": "UNSET"},
            "reasoning": None,
            "stateBefore": {},
            "stateAfter": state,
            "estimatedCost": 0.0,
            "traceId": f"{1:08x}{7:024x}",
            "spanId": f"{2:016x}",
            "metadata": {"otel_span_name": "run"},
        },
        {
            "eventType": "llm_decision",
            "reasoning": "OTel span: root",
            "alternativesConsidered": None,
            "confidence": None,
            "stateBefore": state,
            "stateAfter": state,
            "estimatedCost": 0.0,
            "traceId": f"{1:08x}{7:024x}",
            "spanId": f"{1:016x}",
            "metadata": {"otel_attributes": {"gen_ai.operation.name": "invoke_agent"}},
        },
        {"status": "completed", "success": True},
    ]


def test_model_without_provider_is_named_after_its_price_table(traced: Traced) -> None:
    """BEHAVIOUR O2: 0.6.0 names it "llm:None:gpt-4o-mini"."""
    traced.span("child chat", {"gen_ai.request.model": "gpt-4o-mini"})
    event = only_session(traced)[1]
    assert event["toolName"] == "llm:openai:gpt-4o-mini"
    assert event["toolInput"]["provider"] == "openai"


def test_other_spans_make_no_session(traced: Traced) -> None:
    traced.span("GET /users", {"http.method": "GET"})
    assert traced.sent() == []

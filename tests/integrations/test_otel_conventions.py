"""The attribute conventions that are understood, and what spans are taken for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("opentelemetry.sdk.trace")

import sentrial.pricing
from opentelemetry.trace import StatusCode

from tests.integrations.otel_support import Traced

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.collector import Collector


@pytest.fixture
def traced(collector: Collector) -> Iterator[Traced]:
    made = Traced(collector)
    yield made
    made.close()


def only_event(traced: Traced) -> Any:
    (event,) = traced.events()
    return event


def test_current_genai_conventions(traced: Traced) -> None:
    given = [{"role": "user", "parts": [{"type": "text", "content": "hi"}]}]
    answered = [{"role": "assistant", "parts": [{"type": "text", "content": "hello"}]}]
    traced.span(
        "chat claude-3-opus",
        {
            "gen_ai.provider.name": "anthropic",
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "claude-3-opus",
            "gen_ai.system_instructions": json.dumps([{"type": "text", "content": "be kind"}]),
            "gen_ai.input.messages": json.dumps(given),
            "gen_ai.output.messages": json.dumps(answered),
            "gen_ai.usage.input_tokens": 10,
            "gen_ai.usage.output_tokens": 5,
            "gen_ai.conversation.id": "conv-1",
        },
    )
    event = only_event(traced)
    assert event["toolName"] == "llm:anthropic:claude-3-opus"
    system = {"role": "system", "content": [{"type": "text", "content": "be kind"}]}
    assert event["toolInput"]["messages"] == [system, *given]
    assert event["toolOutput"]["messages"] == answered
    assert event["tokenCount"] == 15
    assert event["estimatedCost"] == pytest.approx(0.000525)
    assert traced.sent()[0][1]["convoId"] == "conv-1"


def test_genai_messages_in_an_event_of_the_span(traced: Traced) -> None:
    with traced.tracer.start_as_current_span("chat") as span:
        span.set_attribute("gen_ai.request.model", "gpt-4o")
        span.add_event("gen_ai.content.prompt", {"gen_ai.prompt": "why?"})
        span.add_event("gen_ai.content.completion", {"gen_ai.completion": "because"})
    event = only_event(traced)
    assert event["toolInput"]["messages"] == [{"role": "user", "content": "why?"}]
    assert event["toolOutput"]["messages"] == [{"role": "assistant", "content": "because"}]


def test_genai_tool_with_arguments_and_result(traced: Traced) -> None:
    traced.span(
        "execute_tool weather",
        {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": "weather",
            "gen_ai.tool.call.arguments": '{"city": "Oslo"}',
            "gen_ai.tool.call.result": "sunny",
        },
    )
    event = only_event(traced)
    assert event["toolName"] == "weather"
    assert event["toolInput"] == {"city": "Oslo"}
    assert event["toolOutput"] == {"result": "sunny"}


def test_openllmetry(traced: Traced) -> None:
    traced.span(
        "openai.chat",
        {
            "llm.request.type": "chat",
            "gen_ai.system": "OpenAI",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.prompt.0.role": "system",
            "gen_ai.prompt.0.content": "be brief",
            "gen_ai.prompt.1.role": "user",
            "gen_ai.prompt.1.content": "weather?",
            "gen_ai.completion.0.role": "assistant",
            "gen_ai.completion.0.finish_reason": "tool_calls",
            "gen_ai.completion.0.tool_calls.0.name": "weather",
            "gen_ai.completion.0.tool_calls.0.arguments": "{}",
            "llm.usage.total_tokens": 9,
            "gen_ai.usage.prompt_tokens": 7,
            "gen_ai.usage.completion_tokens": 2,
            "traceloop.association.properties.user_id": "u9",
        },
    )
    event = only_event(traced)
    assert event["toolName"] == "llm:openai:gpt-4o"
    assert event["toolInput"]["messages"] == [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "weather?"},
    ]
    assert event["toolOutput"]["messages"] == [
        {
            "role": "assistant",
            "finish_reason": "tool_calls",
            "tool_calls": [{"name": "weather", "arguments": "{}"}],
        }
    ]
    assert event["toolOutput"]["tokens"] == {"prompt": 7, "completion": 2, "total": 9}
    assert traced.sent()[0][1]["userId"] == "u9"


def test_openllmetry_tool_and_workflow(traced: Traced) -> None:
    with traced.tracer.start_as_current_span("trip.workflow") as span:
        span.set_attribute("traceloop.span.kind", "workflow")
        span.set_attribute("traceloop.entity.input", "plan a trip")
        span.set_attribute("traceloop.entity.output", "done")
        traced.span(
            "weather.tool",
            {
                "traceloop.span.kind": "tool",
                "traceloop.entity.name": "weather",
                "traceloop.entity.input": '{"city": "Oslo"}',
                "traceloop.entity.output": "[1, 2]",
            },
        )
    tool, workflow = traced.events()
    assert (tool["toolName"], tool["toolInput"], tool["toolOutput"]) == (
        "weather",
        {"city": "Oslo"},
        {"result": [1, 2]},
    )
    assert workflow["reasoning"] == "OTel span: trip.workflow"
    (completed,) = traced.completions()
    assert (completed["userInput"], completed["assistantOutput"]) == ("plan a trip", "done")


def test_openinference(traced: Traced) -> None:
    traced.span(
        "ChatCompletion",
        {
            "openinference.span.kind": "LLM",
            "llm.model_name": "gpt-4o",
            "llm.provider": "openai",
            "llm.input_messages.0.message.role": "user",
            "llm.input_messages.0.message.contents.0.message_content.type": "text",
            "llm.input_messages.0.message.contents.0.message_content.text": "hi",
            "llm.output_messages.0.message.role": "assistant",
            "llm.output_messages.0.message.content": "hello",
            "llm.token_count.prompt": 3,
            "llm.token_count.completion": 2,
            "llm.cost.total": 0.25,
            "session.id": "conv-2",
            "user.id": "u2",
        },
    )
    event = only_event(traced)
    assert event["toolName"] == "llm:openai:gpt-4o"
    assert event["toolInput"]["messages"] == [
        {"role": "user", "contents": [{"type": "text", "text": "hi"}]}
    ]
    assert event["toolOutput"]["messages"] == [{"role": "assistant", "content": "hello"}]
    assert event["estimatedCost"] == 0.25
    session = traced.sent()[0][1]
    assert (session["userId"], session["convoId"]) == ("u2", "conv-2")


def test_openinference_tool_and_chain(traced: Traced) -> None:
    with traced.tracer.start_as_current_span("AgentExecutor") as span:
        span.set_attribute("openinference.span.kind", "CHAIN")
        traced.span(
            "lookup",
            {
                "openinference.span.kind": "TOOL",
                "tool.name": "lookup",
                "input.value": "Oslo",
                "output.value": '{"t": 4}',
            },
        )
    tool, chain = traced.events()
    assert (tool["toolName"], tool["toolInput"], tool["toolOutput"]) == (
        "lookup",
        {"input": "Oslo"},
        {"t": 4},
    )
    assert chain["eventType"] == "llm_decision"


def test_span_of_an_agent_does_not_count_the_usage_of_its_calls_again(traced: Traced) -> None:
    usage = {"gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 5}
    with traced.tracer.start_as_current_span("invoke_agent helper") as span:
        span.set_attributes({"gen_ai.operation.name": "invoke_agent", **usage})
        span.set_attribute("gen_ai.request.model", "gpt-4o")
        traced.span("chat", {"gen_ai.request.model": "gpt-4o", **usage})
    assert [event["eventType"] for event in traced.events()] == ["tool_call", "llm_decision"]
    assert traced.completions()[0]["totalTokens"] == 15


def test_two_instrumentations_of_one_call_count_its_usage_once(traced: Traced) -> None:
    """FIELD complaint 10: only the innermost call carries the usage."""
    call = {
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.output_tokens": 5,
    }
    with traced.tracer.start_as_current_span("ChatOpenAI.chat") as outer:
        outer.set_attributes(call)
        with traced.tracer.start_as_current_span("POST") as between:
            between.set_attribute("http.request.method", "POST")
            traced.span("openai.chat", call)
    inner, outer_event = traced.events()
    assert inner["tokenCount"] == 15
    assert "tokenCount" not in outer_event
    assert outer_event["metadata"]["usage_in_child_span"] is True
    assert traced.completions()[0]["totalTokens"] == 15


@pytest.mark.parametrize("on_top", [False, True], ids=["part of the prompt", "on top of it"])
def test_cached_and_reasoning_tokens_have_prices_of_their_own(
    traced: Traced, *, on_top: bool
) -> None:
    """FIELD complaint 9: counted once, at their own price, however they are reported."""
    traced.span(
        "chat",
        {
            "gen_ai.provider.name": "anthropic",
            "gen_ai.request.model": "claude-sonnet-4-5",
            "gen_ai.usage.input_tokens": 100 if on_top else 1100,
            "gen_ai.usage.output_tokens": 50,
            "gen_ai.usage.cache_read.input_tokens": 900,
            "gen_ai.usage.cache_creation.input_tokens": 100,
            "gen_ai.usage.reasoning.output_tokens": 20,
        },
    )
    event = only_event(traced)
    expected = sentrial.pricing.cost(
        "anthropic",
        "claude-sonnet-4-5",
        input_tokens=100,
        cache_read_tokens=900,
        cache_write_tokens=100,
        output_tokens=30,
        reasoning_tokens=20,
    )
    assert expected is not None
    assert event["estimatedCost"] == pytest.approx(expected)
    tokens = event["toolOutput"]["tokens"]
    assert (tokens["cache_read"], tokens["cache_write"], tokens["reasoning"]) == (900, 100, 20)


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("gcp.gen_ai", "gemini-2.0-flash"),
        ("gcp.vertex_ai", "gemini-2.0-flash"),
        ("azure.ai.openai", "gpt-4o"),
        ("azure.ai.inference", "gpt-4o"),
        ("x_ai", "grok-3"),
        ("mistral_ai", "mistral-large-latest"),
    ],
)
def test_providers_are_found_in_the_price_list(traced: Traced, provider: str, model: str) -> None:
    traced.span(
        "chat",
        {
            "gen_ai.provider.name": provider,
            "gen_ai.request.model": model,
            "gen_ai.usage.input_tokens": 1000,
        },
    )
    event = only_event(traced)
    assert event["toolName"] == f"llm:{provider}:{model}"
    assert event["estimatedCost"] > 0


def test_model_of_another_provider_has_no_price(traced: Traced) -> None:
    """DESIGN rule 11: what a model costs elsewhere says nothing."""
    traced.span(
        "chat",
        {
            "gen_ai.provider.name": "acme",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.usage.input_tokens": 1000,
        },
    )
    event = only_event(traced)
    assert event["estimatedCost"] == 0
    assert event["metadata"]["cost_unknown"] is True


def test_o1_span_without_model_and_operation(traced: Traced) -> None:
    """BEHAVIOUR O1: such spans failed on None and were lost."""
    traced.span("some tool", {"llm.foo": "x"})
    traced.span("some step", {"llm.foo": "x"})
    assert [event["eventType"] for event in traced.events()] == ["tool_call", "llm_decision"]


def test_o2_tokens_without_model_and_provider(traced: Traced) -> None:
    traced.span("step", {"gen_ai.usage.prompt_tokens": 3})
    event = only_event(traced)
    assert event["toolName"] == "llm:unknown:unknown"
    assert event["tokenCount"] == 3
    assert event["metadata"]["cost_unknown"] is True


def test_o6_failed_spans_carry_their_error(traced: Traced) -> None:
    with pytest.raises(ValueError, match="no key"):
        traced.fail("chat", ValueError("no key"), {"gen_ai.request.model": "gpt-4o"})
    error = only_event(traced)["toolError"]
    assert (error["message"], error["type"]) == ("no key", "ValueError")
    assert "Traceback" in error["stack_trace"]


def test_o6_failed_generic_span_is_an_error_event(traced: Traced) -> None:
    with traced.tracer.start_as_current_span("step") as span:
        span.set_attribute("llm.foo", 1)
        span.set_status(StatusCode.ERROR, "out of luck")
    event = only_event(traced)
    assert event["eventType"] == "error"
    assert event["toolError"] == {"message": "out of luck"}
    assert event["toolName"] == "step"


@pytest.mark.parametrize(
    ("name", "attributes", "recorded"),
    [
        ("GET /chatters", {}, False),
        ("regenerate report", {}, False),
        ("GET /chat", {"http.request.method": "GET"}, False),
        ("chat gpt-4o", {}, True),
        ("ChatOpenAI", {}, True),
        ("embed documents", {}, True),
        ("anything", {"openinference.span.kind": "CHAIN"}, True),
        ("anything", {"traceloop.span.kind": "task"}, True),
        ("anything", {"cohere.x": 1}, True),
        ("anything", {"aiohttp": 1}, False),
    ],
)
def test_o7_names_are_compared_word_by_word(
    traced: Traced, name: str, attributes: dict[str, Any], *, recorded: bool
) -> None:
    """BEHAVIOUR O7: the name filter of 0.6.0 is a substring test."""
    traced.span(name, attributes)
    assert bool(traced.sent()) is recorded


@pytest.mark.parametrize(
    "attributes",
    [
        {"gen_ai.usage.input_tokens": "many", "gen_ai.request.model": "m"},
        {"gen_ai.usage.input_tokens": float("nan"), "gen_ai.request.model": "m"},
        {"gen_ai.usage.input_tokens": -4, "gen_ai.request.model": "m"},
        {"gen_ai.prompt": "[" * 100_000, "gen_ai.request.model": "m"},
        {"gen_ai.prompt": "", "gen_ai.request.model": ""},
        {"gen_ai.prompt.9999999999.role": "user", "gen_ai.request.model": "m"},
        {"gen_ai.prompt.0": "x", "gen_ai.prompt.0.role": "user", "gen_ai.request.model": "m"},
        {"gen_ai.prompt.0" + ".x" * 2000: 1, "gen_ai.request.model": "m"},
        {"gen_ai.system": ["a", "b"], "gen_ai.request.model": ["m"]},
        {"gen_ai.operation.name": 7},
    ],
)
def test_odd_attributes_are_recorded_as_far_as_possible(
    traced: Traced, attributes: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    traced.span("chat", attributes)
    assert only_event(traced)["sessionId"]
    assert [r for r in caplog.records if r.name == "sentrial.otel"] == []

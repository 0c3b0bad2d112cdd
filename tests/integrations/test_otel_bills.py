"""What spans say of the price of a call, against bills computed by hand; messages in events."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from sentrial.integrations import otel_attributes as attribute
from sentrial.integrations import otel_content as content
from sentrial.integrations.base import bill_of
from sentrial.wrappers import Usage


@pytest.mark.parametrize("name", ["gen_ai.cost.total_cost", "operation.cost", "llm.cost.total"])
def test_the_cost_that_a_span_names_is_taken(name: str) -> None:
    assert attribute.cost({name: 0.25}) == 0.25


@pytest.mark.parametrize("framework", ["strands-agents", "pydantic-ai"])
def test_a_framework_is_no_provider(framework: str) -> None:
    assert attribute.provider({"gen_ai.system": framework}) is None


def test_the_tier_and_the_model_that_answered_choose_the_price() -> None:
    """GPT-5 at the flex tier: $0.625 for a million tokens."""
    terms = attribute.terms(
        {
            "gen_ai.response.model": "gpt-5-2025-08-07",
            "gen_ai.openai.response.service_tier": "flex",
        }
    )
    bill = bill_of("openai", "gpt-4", Usage(input_tokens=1_000_000), terms)
    assert bill.usd == pytest.approx(0.625)
    assert bill.metadata["prices_version"]


def test_each_message_may_be_an_event() -> None:
    def event(name: str, **attributes: Any) -> SimpleNamespace:
        return SimpleNamespace(name=name, attributes=attributes)

    events = [
        event("gen_ai.user.message", content="hi"),
        event("gen_ai.tool.message", content="sunny", id="1"),
        event("gen_ai.choice", message='{"content": "hello"}', finish_reason="stop"),
        event("exception"),
    ]
    assert content.input_messages({}, events) == [
        {"role": "user", "content": "hi"},
        {"role": "tool", "content": "sunny", "id": "1"},
    ]
    assert content.output_messages({}, events) == [
        {"role": "assistant", "finish_reason": "stop", "content": "hello"}
    ]


def test_tools_have_other_names_elsewhere() -> None:
    attributes = {"tool_arguments": '{"a": 1}', "tool_response": "done"}
    assert content.tool_input(attributes) == {"a": 1}
    assert content.tool_output(attributes) == {"result": "done"}

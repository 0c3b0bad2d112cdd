"""Every rule in every field, in every form: none of it reaches the socket (P1, P2, P8, D7)."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any

import pytest
import sentrial
from sentrial import AsyncSentrialClient, PiiConfig

from tests.delivery.helpers import KEY, client_of, settled
from tests.redaction.planted import PERSONAL, PLANTED, SECRETS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.collector import Collector

NAMES = ["name", "agentName", "userId", "convoId", "traceId", "spanId", "projectId"]
EVERYWHERE = PiiConfig(enabled=True, fields=[*(PiiConfig().fields or []), *NAMES])

#: How a text gets into a value.
FORMS: dict[str, Callable[[str], Any]] = {
    "plain": lambda text: text,
    "in a sentence": lambda text: f"Here: {text} (and more)",
    "behind non-ASCII": lambda text: f"é日本 😀 {text} ü",
    "value of a dict": lambda text: {"x": {"y": [1, {"z": text}]}},
    "key of a dict": lambda text: {text: {text: 1}},
    "key and value": lambda text: {text: text},
    "tuple": lambda text: (text, [text]),
    "JSON in text": lambda text: json.dumps({"a": [text], text: 1}),
    "JSON in JSON in text": lambda text: json.dumps([json.dumps({"a": text})]),
    "JSON thrice, in a sentence": lambda text: f"got {json.dumps(json.dumps(json.dumps(text)))}!",
    "a repr": lambda text: repr(f"\xa0{text}\xa0\n"),
    "the repr of a repr": lambda text: repr(repr(f"\u3000{text}\n")),
    "the text of a KeyError": lambda text: str(KeyError(f"line\n{text}\xa0")),
    "bytes as Python shows them": lambda text: repr(f"\xa0{text}\n".encode()),
    "escaped by hand": lambda text: f"\\n{text}\\n",
    "with line breaks and quotes": lambda text: f'"\t{text}"\r\n\\',
    "exception": ValueError,
    "bytes": lambda text: text.encode(),
    "with a lone surrogate": lambda text: f"\ud800 {text}",
}


class Odd:
    """An object that only `str` can show."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text


FORMS["object"] = Odd


def leaks(collector: Collector, planted: dict[str, tuple[str, str]]) -> dict[str, list[str]]:
    """Search what arrived, byte by byte and as text, for the parts that must not leave."""
    found: dict[str, list[str]] = {}
    for request in collector.requests():
        raw = request.target.encode() + request.body
        text = json.dumps(request.json, ensure_ascii=False) if request.body else ""
        for rule, (_, part) in planted.items():
            if part.encode() in raw or part in text:
                found.setdefault(rule, []).append(text)
    return found


def everywhere(client: sentrial.SentrialClient, value: Any, text: str) -> None:
    """Put a value, or a text where only that is taken, into every argument there is."""
    session = client.create_session(
        text, agent_name=text, user_id=text, convo_id=text, metadata={"m": value}
    )
    assert session
    client.update_state("s", value)
    client.track_tool_call(
        "known",
        text,
        value,
        value,
        reasoning=value,
        tool_error={"message": value, "type": text, "stack_trace": text},
        metadata={"m": value},
        trace_id=text,
        span_id=text,
    )
    client.track_tool_call("known", "t", {}, {}, tool_error=RuntimeError(text))
    client.track_decision("known", value, [value], 0.5, metadata={"m": value})
    client.track_error("known", value, text, "t", f"Traceback:\n  {text}", metadata={"m": value})
    client.track_state_change("known", {"s": value}, text)
    client.track_event("known", "state_change", invented_field=value)
    client.update_session("known", user_input=value)
    client.complete_session(
        "known",
        success=False,
        failure_reason=value,
        user_input=value,
        assistant_output=value,
        custom_metrics={text: 1},
    )
    with (
        contextlib.suppress(ValueError),
        client.begin(text, text, input=value, convo_id=text, metadata={"m": value}) as interaction,
    ):
        interaction.set_output(text)
        interaction.track_tool_call(text, value, value)
        message = f"boom {text}"
        raise ValueError(message)


@pytest.mark.parametrize("form", FORMS)
def test_no_rule_leaks_in_any_field(collector: Collector, form: str) -> None:
    client = client_of(collector, pii=EVERYWHERE)
    for text, _ in PLANTED.values():
        everywhere(client, FORMS[form](text), text)
    stats = settled(client, 30)
    assert stats["delivered"] > len(PLANTED) * 10
    assert leaks(collector, PLANTED) == {}
    rules = client.redaction_report()["rules"]
    wanted = {rule.removesuffix("_v6") for rule in PLANTED}
    assert wanted <= rules.keys() | ({"url_password"} if form == "key of a dict" else set())


def test_secrets_do_not_leave_by_default_and_do_if_told(collector: Collector) -> None:
    client = client_of(collector)
    for text, _ in SECRETS.values():
        everywhere(client, text, text)
    settled(client, 30)
    assert leaks(collector, SECRETS) == {}
    collector.forget()
    client = client_of(collector, redact_secrets=False)
    client.track_tool_call("s", "t", {"x": SECRETS["stripe_key"][0], "password": "hunter2"}, {})
    settled(client)
    assert leaks(collector, SECRETS).keys() == {"stripe_key"}
    assert collector.events()[0]["toolInput"]["password"] == "hunter2"  # noqa: S105


@pytest.mark.parametrize(
    "options",
    [
        {"batching": True},
        {"fail_silently": False},
        {"fail_silently": False, "batching": {"flush_threshold": 5}},
        {"spool": "off", "session_concurrency": 4},
    ],
    ids=str,
)
def test_no_mode_of_delivery_leaks(collector: Collector, options: dict[str, Any]) -> None:
    client = client_of(collector, pii=EVERYWHERE, **options)
    for text, _ in PLANTED.values():
        everywhere(client, {"x": text}, text)
    client.flush()
    settled(client, 30)
    assert leaks(collector, PLANTED) == {}


def test_the_async_client_redacts(collector: Collector) -> None:
    """P8: all clients go through the same place."""

    async def run() -> None:
        async with AsyncSentrialClient(collector.url, KEY, pii=EVERYWHERE) as client:
            for text, _ in PLANTED.values():
                async with client.begin(text, text, input=text, metadata={"m": text}) as one:
                    await one.track_tool_call(text, {"x": text}, {text: text})
                    await one.track_decision(text, [text])
                    await one.track_error(text, stack_trace=text)
            await client.flush()

    asyncio.run(run())
    assert collector.events()
    assert leaks(collector, PLANTED) == {}


def test_a_decorated_tool_redacts(collector: Collector) -> None:
    client = client_of(collector, pii=EVERYWHERE)

    @sentrial.tool("t")
    def lookup(text: str, **more: Any) -> Any:
        if more.get("fail"):
            raise ValueError(text)
        return {"found": text, text: more}

    for text, _ in PLANTED.values():
        with client.begin("u", "e"):
            lookup(text, note=text)
            with contextlib.suppress(ValueError):
                lookup(text, fail=True)
    settled(client, 30)
    assert len(collector.events()) == 2 * len(PLANTED)
    assert leaks(collector, PLANTED) == {}


def test_by_default_identifiers_stay_readable(collector: Collector) -> None:
    client = client_of(collector, pii=PiiConfig(enabled=True))
    text = PERSONAL["email"][0]
    everywhere(client, text, text)
    settled(client)
    for request in collector.requests():
        body = {key: value for key, value in request.json.items() if key not in NAMES}
        assert "planted.person" not in json.dumps(body)
    created = collector.bodies("POST", "/api/sdk/sessions")[0]
    assert created["userId"] == created["name"] == created["convoId"] == text


def test_the_ids_of_the_sdk_itself_are_never_mangled(collector: Collector) -> None:
    """P5: an id that looks like a phone, or like a UUID that holds one."""
    client = client_of(collector, pii=EVERYWHERE)
    with client.begin("u", "e", event_id="550e8400-e29b-41d4-a716-446655440000") as interaction:
        interaction.track_decision("x")
    client.track_decision("4155551234", "y")
    settled(client)
    created = collector.bodies("POST", "/api/sdk/sessions")[0]
    assert created["metadata"]["event_id"] == "550e8400-e29b-41d4-a716-446655440000"
    assert "4155551234" in {event["sessionId"] for event in collector.events("llm_decision")}


def test_debug_lines_show_no_values(
    collector: Collector, clean_env: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clean_env.setenv("SENTRIAL_DEBUG", "1")
    caplog.set_level("DEBUG", "sentrial")
    client = client_of(collector, pii=EVERYWHERE)
    for text, _ in PLANTED.values():
        client.track_tool_call("s", "t", {"x": text}, {})
    settled(client)
    client.flush()
    assert "/api/sdk/events" in caplog.text
    for _, part in PLANTED.values():
        assert part not in caplog.text

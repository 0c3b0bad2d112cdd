"""Agents of the API of AutoGen 0.2: real ones of pyautogen, and objects like them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sentrial.autogen import SentrialAutogenHandler

from tests.integrations.events import Sent
from tests.support.sdk import in_loop

if TYPE_CHECKING:
    from collections.abc import Callable

    import sentrial

    from tests.support.collector import Collector


class Agent:
    """What an agent of 0.2 has, as far as it is hooked."""

    def __init__(self, name: str, **functions: Any) -> None:
        self.name = name
        self.received: list[Any] = []
        self._function_map = functions

    def receive(
        self, message: Any, sender: Any, request_reply: Any = None, silent: Any = False
    ) -> str:
        """Receive a message."""
        self.received.append((message, request_reply, silent))
        return "received"

    async def a_receive(self, message: Any, sender: Any, **kwargs: Any) -> str:
        """Receive a message in a loop."""
        self.received.append((message, kwargs))
        return "received"


@pytest.fixture
def handler(client: sentrial.SentrialClient) -> SentrialAutogenHandler:
    return SentrialAutogenHandler(client, "s")


@pytest.fixture
def sent(client: sentrial.SentrialClient, collector: Collector) -> Callable[[], Sent]:
    return lambda: Sent(client, collector)


def test_messages_and_functions(handler: SentrialAutogenHandler, sent: Callable[[], Sent]) -> None:
    def add(a: int, b: int = 1) -> int:
        return a + b

    def bad() -> None:
        raise ValueError("fn bad")

    alice, bob = Agent("alice", add=add, bad=bad), Agent("bob")
    handler.register_agents([alice, bob])
    assert alice.receive("hello " + "x" * 600, bob) == "received"
    assert alice.receive({"content": "d2"}, sender=bob, request_reply=True) == "received"
    assert in_loop(bob.a_receive({"content": "async"}, alice, silent=True)) == "received"
    assert alice._function_map["add"](1, b=2) == 3
    with pytest.raises(ValueError, match="fn bad"):
        alice._function_map["bad"]()
    handler.finish()
    assert sent().decisions() == [
        "[bob -> alice] " + ("hello " + "x" * 600)[:200],
        "[bob -> alice] d2",
        "[alice -> bob] async",
    ]
    first, second = sent().tools()
    assert first["toolInput"] == {"args": "(1,)", "kwargs": "{'b': 2}"}
    assert first["toolOutput"] == {"result": "3"}
    assert second["toolOutput"] == {"error": "fn bad"}
    assert second["toolError"]["type"] == "ValueError"
    done = sent().completion()
    assert done["userInput"] == ("hello " + "x" * 600)[:500]
    assert done["assistantOutput"] == "async"
    assert alice.received[1] == ({"content": "d2"}, True, False)


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ({"content": None, "tool_calls": []}, ""),
        ({"content": None, "tool_calls": [{"function": {"name": "f"}}]}, "calls f"),
        ({"content": None, "function_call": {"name": "g"}}, "calls g"),
        ({"content": [{"type": "text", "text": "see"}, {"type": "image_url"}]}, "see"),
        (None, ""),
        (7, "7"),
        ({}, ""),
    ],
)
def test_g5_a_message_without_text_does_not_break_the_chat(
    handler: SentrialAutogenHandler, sent: Callable[[], Sent], message: Any, said: str
) -> None:
    alice = Agent("alice")
    handler.register_agents([alice])
    assert alice.receive(message, None) == "received"
    assert sent().decisions() == [f"[unknown -> alice] {said}"]


def test_g4_agents_of_one_name_are_two_agents(
    handler: SentrialAutogenHandler, sent: Callable[[], Sent]
) -> None:
    first, second = Agent("twin"), Agent("twin")
    handler.register_agents([first, second])
    first.receive("to the first", second)
    second.receive("to the second", first)
    assert len(sent().decisions()) == 2


def test_registering_twice_records_once(
    handler: SentrialAutogenHandler, sent: Callable[[], Sent]
) -> None:
    alice = Agent("alice", add=lambda: 1)
    handler.register_agents([alice])
    handler.register_agents([alice])
    alice.receive("x", alice)
    alice._function_map["add"]()
    assert len(sent().events()) == 2


def test_a_later_handler_takes_the_agents_over(
    handler: SentrialAutogenHandler, client: sentrial.SentrialClient, sent: Callable[[], Sent]
) -> None:
    alice = Agent("alice", add=lambda: 1)
    handler.register_agents([alice])
    SentrialAutogenHandler(client, "later").register_agents([alice])
    alice.receive("x", alice)
    alice._function_map["add"]()
    assert [event["sessionId"] for event in sent().events()] == ["later", "later"]


def test_unregistering_puts_everything_back(
    handler: SentrialAutogenHandler, sent: Callable[[], Sent]
) -> None:
    def add() -> int:
        return 1

    alice = Agent("alice", add=add)
    handler.register_agents([alice])
    handler.unregister_agents()
    alice.receive("x", alice)
    assert "receive" not in vars(alice)
    assert alice._function_map == {"add": add}
    assert sent().events() == []


def test_what_has_not_that_api_is_passed_over(handler: SentrialAutogenHandler) -> None:
    handler.register_agents([object(), None, 3])
    assert handler._registered_agents == []


def test_real_agents(
    handler: SentrialAutogenHandler, sent: Callable[[], Sent], capsys: Any
) -> None:
    module = pytest.importorskip(
        "autogen.agentchat.conversable_agent", reason="needs pyautogen 0.2"
    )
    options = {
        "llm_config": False,
        "human_input_mode": "NEVER",
        "max_consecutive_auto_reply": 1,
    }
    alice = module.ConversableAgent("alice", default_auto_reply="alice says", **options)
    bob = module.ConversableAgent(
        "bob",
        default_auto_reply="bob says",
        function_map={"add": lambda x: x + 1},
        **options,
    )
    handler.register_agents([alice, bob])
    alice.initiate_chat(bob, message="start the work", max_turns=2)
    bob.execute_function({"name": "add", "arguments": '{"x": 1}'})
    handler.finish()
    capsys.readouterr()
    assert sent().decisions() == [
        "[alice -> bob] start the work",
        "[bob -> alice] bob says",
        "[alice -> bob] alice says",
    ]
    assert [tool["toolOutput"] for tool in sent().tools()] == [{"result": "2"}]
    assert sent().completion()["userInput"] == "start the work"

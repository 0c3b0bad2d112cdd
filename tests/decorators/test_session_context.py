"""`SessionContext`: a session as a block."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import sentrial

from tests.decorators.sent import sent
from tests.support.sdk import client_for, in_loop

if TYPE_CHECKING:
    from tests.support.collector import Collector


@sentrial.tool
def note(text: str) -> str:
    return text


def test_a_block_is_a_session(either: sentrial.SentrialClient, collector: Collector) -> None:
    block = sentrial.SessionContext("u", "agent", input="question")
    assert (block.session_id, block.interaction) == (None, None)
    with block as entered:
        assert entered is block
        assert block.interaction is sentrial.get_current_interaction()
        assert block.session_id == "sess_u_agent_1"
        note("x")
        block.set_output("answer")
    assert sentrial.get_current_interaction() is None
    mine = sent(either, collector)["u_agent_1"]
    assert mine.tools == ["note"]
    [done] = mine.completed
    assert (done["userInput"], done["assistantOutput"]) == ("question", "answer")


def test_an_async_block(either: sentrial.SentrialClient, collector: Collector) -> None:
    async def use() -> None:
        async with sentrial.SessionContext("u", "agent") as block:
            note("x")
            assert block.interaction is sentrial.get_current_interaction()

    in_loop(use())
    mine = sent(either, collector)["u_agent_1"]
    assert mine.tools == ["note"]
    assert mine.completed[0]["success"] is True


@pytest.mark.parametrize("asynchronous", [False, True])
def test_an_exception_fails_it_and_goes_on(
    either: sentrial.SentrialClient, collector: Collector, asynchronous: bool
) -> None:
    async def use() -> None:
        async with sentrial.SessionContext("u", "agent") as block:
            block.set_output("half")
            raise ValueError("bad")

    def plain() -> None:
        with sentrial.SessionContext("u", "agent") as block:
            block.set_output("half")
            raise ValueError("bad")

    with pytest.raises(ValueError, match="bad"):
        in_loop(use()) if asynchronous else plain()
    [done] = sent(either, collector)["u_agent_1"].completed
    assert (done["success"], done["failureReason"]) == (False, "ValueError: bad")
    assert done["assistantOutput"] == "half"


def test_blocks_are_nested(client: sentrial.SentrialClient, collector: Collector) -> None:
    with sentrial.SessionContext("u", "outer"):
        with sentrial.SessionContext("u", "inner"):
            note("in")
        note("out")
    everything = sent(client, collector)
    assert everything["u_inner_1"].created["parentSessionId"] == "sess_u_outer_1"
    assert everything["u_inner_1"].tools == everything["u_outer_1"].tools == ["note"]


def test_the_client_can_be_given(collector: Collector) -> None:
    other = client_for(collector)
    with sentrial.SessionContext("u", "agent", client=other):
        note("x")
    assert sent(other, collector)["u_agent_1"].tools == ["note"]

"""The real FastAPI: decorated routes and dependencies, and requests that do not mix."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import pytest

fastapi = pytest.importorskip("fastapi", reason="needs fastapi")
httpx = pytest.importorskip("httpx", reason="needs httpx")

import sentrial
import sentrial.client
from fastapi.responses import StreamingResponse

from tests.support.sdk import client_for, emptied, in_loop, sessions_sent

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from tests.support.collector import Collector

EVENTS = 2000


@sentrial.tool
async def look_up(user: str) -> dict[str, str]:
    await asyncio.sleep(0.001)
    return {"row": user}


@sentrial.tool
def think(user: str) -> str:
    return f"thought of {user}"


@sentrial.tool
async def current_user(user_id: str) -> str:
    return user_id


@sentrial.session("answer")
async def answer(user_id: str, message: str) -> str:
    await look_up(user_id)
    await asyncio.gather(look_up(user_id), asyncio.to_thread(think, user_id))
    return f"{message} for {user_id}"


def app() -> fastapi.FastAPI:
    made = fastapi.FastAPI()

    @made.post("/chat/{user_id}")
    @sentrial.session("chat")
    async def chat(
        user_id: str, message: str, user: Annotated[str, fastapi.Depends(current_user)]
    ) -> dict[str, str]:
        assert user == user_id
        await look_up(user_id)
        think(user_id)
        return {"response": await answer(user_id, message)}

    @made.post("/sync/{user_id}")
    @sentrial.session("sync")
    def sync(user_id: str, message: str) -> dict[str, str]:
        think(user_id)
        return {"response": message}

    @made.get("/stream/{user_id}")
    async def stream(user_id: str) -> StreamingResponse:
        @sentrial.session("stream")
        async def words(user_id: str) -> AsyncGenerator[str, None]:
            for _ in range(3):
                await look_up(user_id)
                yield f"{user_id} "

        return StreamingResponse(words(user_id))

    return made


@pytest.fixture
def client(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> Iterator[sentrial.SentrialClient]:
    with emptied(collector):
        made = client_for(collector)
        monkeypatch.setattr("sentrial.client._default", made)
        yield made


def browser() -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app()), base_url="http://app", timeout=30
    )


def test_dependency_injection_sees_the_signature(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    async def use() -> None:
        async with browser() as web:
            got = await web.post("/chat/u", params={"message": "hello"})
            assert got.json() == {"response": "hello for u"}
            assert (await web.post("/chat/u")).status_code == 422
            got = await web.post("/sync/u", params={"message": "hello"})
            assert got.json() == {"response": "hello"}
            got = await web.get("/stream/u")
            assert got.text == "u u u "

    in_loop(use())
    sent = sessions_sent(client, collector)
    assert set(sent) == {"sess_u_chat_1", "sess_u_answer_1", "sess_u_sync_1", "sess_u_stream_1"}
    assert sent["sess_u_answer_1"][0].json["parentSessionId"] == "sess_u_chat_1"
    assert sent["sess_u_stream_1"][-1].json["assistantOutput"] == "u u u "
    assert len(sent["sess_u_stream_1"]) == 5


def mixed(session_id: str, body: dict[str, Any]) -> bool:
    """Tell whether an event belongs to another user than its session."""
    user = body["toolInput"]["user"]
    return not session_id.startswith(f"sess_{user}_")


@pytest.mark.timeout(180)
def test_c8_concurrent_requests_of_different_users_do_not_mix(
    client: sentrial.SentrialClient, collector: Collector
) -> None:
    async def use() -> None:
        room = asyncio.Semaphore(50)

        async def one(web: httpx.AsyncClient, n: int) -> None:
            async with room:
                got = await web.post(f"/chat/user{n}", params={"message": f"m{n}"})
                assert got.json() == {"response": f"m{n} for user{n}"}

        async with browser() as web:
            # Five events for each user.
            await asyncio.gather(*(one(web, n) for n in range(EVENTS // 5)))

    in_loop(use())
    sent = sessions_sent(client, collector)
    events = [
        (session_id, request.json)
        for session_id, requests in sent.items()
        for request in requests
        if request.path.endswith("/events")
    ]
    assert len(events) == EVENTS
    assert [event for event in events if mixed(*event)] == []
    for n in range(EVENTS // 5):
        chat, inner = sent[f"sess_user{n}_chat_1"], sent[f"sess_user{n}_answer_1"]
        assert chat[0].json["metadata"]["input"] == chat[-1].json["userInput"] == f"m{n}"
        assert chat[-1].json["assistantOutput"] == f"m{n} for user{n}"
        assert inner[0].json["parentSessionId"] == f"sess_user{n}_chat_1"

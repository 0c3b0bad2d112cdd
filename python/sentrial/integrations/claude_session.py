"""One run of a Claude agent as a session: what its messages mean, and the calls they lead to."""

from __future__ import annotations

import asyncio
import inspect
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from sentrial import _core
from sentrial._core import SentrialClient
from sentrial.integrations.base import client_of, count, cut, quietly, report, text_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sentrial.async_client import AsyncSentrialClient

__all__ = ["RunningTotal", "Settings", "Turn"]

#: Decimal places of a cost in USD: a difference of two doubles has more.
_PLACES = 10

_PROMPT = 100
_RESPONSE = 2000
_INTERRUPTED = "Session interrupted (generator closed early)"
_FACTS = (
    ("model", "model"),
    ("tools", "tools"),
    ("cwd", "cwd"),
    ("mcp_servers", "mcp_servers"),
    ("session_id", "sdk_session_id"),
)
_CACHE = ("cache_read_input_tokens", "cache_creation_input_tokens")


class Settings(NamedTuple):
    """What the sessions of one wrapper have in common; see `wrap_claude_agent`."""

    client: SentrialClient | AsyncSentrialClient
    agent: str
    user_id: str
    convo_id: str | None
    metadata: dict[str, Any] | None


class RunningTotal:
    """What a client says that all its turns have cost so far, as the cost of each.

    A client of which a new process has been started begins again at zero.
    """

    def __init__(self) -> None:
        self._before = 0.0

    def cost_of(self, total: Any) -> float | None:
        """Return what the turn that has ended cost, in USD; None where nothing is said."""
        if isinstance(total, bool) or not isinstance(total, (int, float)):
            return None
        before, self._before = self._before, float(total)
        return float(total) if total < before else round(total - before, _PLACES)


class Turn:
    """One run, from the message with which the SDK introduces itself to the result.

    Attributes:
        is_over: Whether the result has come.
    """

    def __init__(
        self,
        settings: Settings,
        prompt: Any,
        metadata: dict[str, Any] | None = None,
        total: RunningTotal | None = None,
    ) -> None:
        self._total = total or RunningTotal()
        self.is_over = False
        self._settings = settings
        self._prompt = prompt if isinstance(prompt, str) else None
        self._metadata = metadata or {}
        self._line = _Line(settings.client)
        self._started: float | None = None
        # Tool uses without a result yet: id → (name, input, metadata).
        self._uses: dict[str, tuple[str, Any, dict[str, Any]]] = {}

    @quietly
    def observe(self, message: Any) -> None:
        """Record what a message says."""
        kind = _kind(message)
        if (
            kind.startswith("system")
            and _get(message, "subtype") == "init"
            and self._started is None
        ):
            self._begin(message)
        if self._started is None or self.is_over:
            return
        if kind in ("assistant", "user"):
            for block in _blocks(message):
                self._observe_block(message, block)
        elif kind == "result":
            self.is_over = True
            self._flush_uses()
            self._complete(message)

    @quietly
    def end(self, failure: BaseException | None) -> None:
        """Fail a session that has no result. Call it when the stream is over."""
        if self._started is None or self.is_over:
            return
        self.is_over = True
        self._flush_uses()
        reason = text_of(failure) if isinstance(failure, Exception) else _INTERRUPTED
        self._line.add(
            "complete_session",
            success=False,
            failure_reason=reason,
            duration_ms=self._elapsed_ms(),
        )

    async def settled(self) -> None:
        """Wait until everything observed is recorded."""
        await self._line.settled()

    def _begin(self, message: Any) -> None:
        if self._started is not None:
            return
        self._started = time.monotonic()
        data = _get(message, "data")
        facts = data if isinstance(data, dict) else message
        settings = self._settings
        metadata = {name: _get(facts, fact) for fact, name in _FACTS}
        metadata |= self._metadata
        metadata |= settings.metadata or {}
        named = self._prompt is not None
        self._line.create(
            f"{settings.agent}: {cut(self._prompt, _PROMPT)}"
            if named
            else f"{settings.agent} session",
            settings.agent,
            settings.user_id,
            convo_id=settings.convo_id,
            metadata=metadata,
        )

    def _observe_block(self, message: Any, block: Any) -> None:
        kind = _kind(block)
        if kind.endswith("tool_use"):
            key = text_of(_get(block, "id"))
            metadata = {"tool_use_id": _get(block, "id")}
            parent = _get(message, "parent_tool_use_id")
            if parent is not None:  # a subagent's
                metadata["parent_tool_use_id"] = parent
            self._uses[key] = (cut(_get(block, "name"), 200), _get(block, "input") or {}, metadata)
        elif kind.endswith("tool_result"):
            key = text_of(_get(block, "tool_use_id"))
            about = {"tool_use_id": _get(block, "tool_use_id")}
            use = self._uses.pop(key, ("unknown_tool", {}, about))
            content = _get(block, "content")
            self._record(use, _output(content), content if _get(block, "is_error") else None)

    def _flush_uses(self) -> None:
        uses, self._uses = self._uses, {}
        for use in uses.values():
            self._record(use, {}, None)

    def _record(
        self, use: tuple[str, Any, dict[str, Any]], output: dict[str, Any], error: Any
    ) -> None:
        name, tool_input, metadata = use
        failed = None if error is None else cut(_text(error) or error, _RESPONSE)
        self._line.add(
            "track_tool_call",
            tool_name=name,
            tool_input=tool_input,
            tool_output=output,
            tool_error=failed,
            metadata=metadata,
        )

    def _complete(self, message: Any) -> None:
        failed = bool(_get(message, "is_error"))
        errors = _get(message, "errors")
        reason = None
        if failed:
            listed = errors if isinstance(errors, (list, tuple)) else ()
            reason = "; ".join(map(text_of, listed)) or _get(message, "subtype")
        output = (errors if failed else None) or _get(message, "result")
        metrics = {name: _get(message, name) or 0 for name in ("num_turns", "duration_api_ms")}
        usage = _get(message, "usage")
        cached = {name: count(_get(usage, name)) for name in _CACHE}
        metrics |= {name: tokens for name, tokens in cached.items() if tokens}
        self._line.add_usage(
            # Anthropic counts tokens that it reads from or writes to its cache apart.
            prompt_tokens=count(_get(usage, "input_tokens")) + sum(cached.values()),
            completion_tokens=count(_get(usage, "output_tokens")),
            cost=self._total.cost_of(_get(message, "total_cost_usd")),
        )
        self._line.add(
            "complete_session",
            success=not failed,
            failure_reason=reason,
            duration_ms=_get(message, "duration_ms") or self._elapsed_ms(),
            user_input=self._prompt,
            assistant_output=None if output is None else text_of(output),
            custom_metrics=metrics,
        )

    def _elapsed_ms(self) -> int:
        return int((time.monotonic() - (self._started or time.monotonic())) * 1000)


class _Line:
    """Calls on one session, one after the other, beside what the program does.

    On an event loop of asyncio they are tasks; elsewhere (trio) they run at once.
    """

    def __init__(self, client: SentrialClient | AsyncSentrialClient) -> None:
        self._client = client
        self._session_id: str | None = None
        self._last: asyncio.Task[None] | None = None

    def create(self, *args: Any, **kwargs: Any) -> None:
        """Create the session."""

        async def create() -> None:
            self._session_id = await self._call("create_session", *args, **kwargs)

        self._then(create)

    def add(self, method: str, **kwargs: Any) -> None:
        """Call a method of the client for the session; nothing without one."""

        async def call() -> None:
            if self._session_id is not None:
                await self._call(method, session_id=self._session_id, **kwargs)

        self._then(call)

    def add_usage(self, **usage: Any) -> None:
        """Add to the sums of the session."""

        async def add() -> None:
            client = client_of(self._client)
            if self._session_id is not None and isinstance(client, SentrialClient):
                _core.add_usage(client, self._session_id, **usage)

        self._then(add)

    async def settled(self) -> None:
        """Wait for the calls so far. They go on if the waiting is cancelled."""
        if self._last is not None and not self._last.done():
            await asyncio.shield(self._last)

    def _then(self, call: Callable[[], Awaitable[None]]) -> None:
        step = self._after(self._last, call)
        try:
            self._last = asyncio.get_running_loop().create_task(step)
        except RuntimeError:
            _run_at_once(step)

    async def _after(
        self, previous: asyncio.Task[None] | None, call: Callable[[], Awaitable[None]]
    ) -> None:
        if previous is not None and not previous.done():
            await asyncio.wait([previous])
        try:
            await call()
        except Exception as error:  # noqa: BLE001  see base.quietly
            report(call, error)

    async def _call(self, method: str, *args: Any, **kwargs: Any) -> Any:
        call = getattr(self._client, method)
        client = self._client
        waits = method == "create_session" or (
            isinstance(client, SentrialClient) and _core.is_immediate(client)
        )
        if waits and isinstance(client, SentrialClient) and _on_asyncio():
            return await asyncio.to_thread(call, *args, **kwargs)
        if not isinstance(client, SentrialClient) and not _on_asyncio():
            call = getattr(client_of(client), method)
        result = call(*args, **kwargs)
        return await result if inspect.iscoroutine(result) else result


def _on_asyncio() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _run_at_once(step: Any) -> None:
    """Run a coroutine that has nothing to wait for."""
    try:
        step.send(None)
    except StopIteration:
        return
    step.close()


def _get(holder: Any, name: str) -> Any:
    return holder.get(name) if isinstance(holder, dict) else getattr(holder, name, None)


def _kind(item: Any) -> str:
    """Return the kind of a message or block: ``assistant`` of an `AssistantMessage` or a dict."""
    if isinstance(item, dict):
        return text_of(item.get("type"))
    name = type(item).__name__
    for suffix in ("Message", "Block"):
        name = name.removesuffix(suffix)
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


def _blocks(message: Any) -> list[Any]:
    inner = _get(message, "message")
    content = _get(message if inner is None else inner, "content")
    return content if isinstance(content, list) else []


def _output(content: Any) -> dict[str, Any]:
    if content is None:
        return {}
    if isinstance(content, dict):
        return content
    text = _text(content)
    return {"content": content} if text is None else {"response": text[:_RESPONSE]}


def _text(content: Any) -> str | None:
    """Return the text of a result; None for blocks that are not all text."""
    if not isinstance(content, list):
        return text_of(content)
    texts = [_get(block, "text") for block in content]
    return "\n".join(texts) if all(isinstance(text, str) for text in texts) else None

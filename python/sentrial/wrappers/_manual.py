"""`llm_call`: recording the call of a client that no wrapper knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sentrial import _core
from sentrial.client import _get_client
from sentrial.wrappers._innermost import Scope
from sentrial.wrappers._record import Answer, Call, Request, off_the_loop
from sentrial.wrappers._usage import Usage

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from typing_extensions import Self

__all__ = ["LLMCall", "llm_call"]


def llm_call(
    model: str,
    messages: Any = None,
    *,
    provider: str | None = None,
    metadata: dict[str, Any] | None = None,
) -> LLMCall:
    """Record a call of a language model in the current session, made by any client.

        with sentrial.llm_call("my-model", messages, provider="my-provider") as call:
            answer = client.generate(messages)
            call.set_output(answer.text)
            call.set_usage(prompt_tokens=answer.tokens_in, completion_tokens=answer.tokens_out)

    Usable with `with` and `async with`. Outside of a session nothing is recorded. An exception in
    the block is recorded and goes on as it is. If a wrapped client is called inside, that call
    carries the usage and the cost, and this one has neither.

    Args:
        model: The model's name.
        messages: What the model is given.
        provider: The provider's name in the event, ``llm:<provider>:<model>``. Default: the one
            whose prices have the model, else ``"unknown"``.
        metadata: A dict of anything, for example the temperature.

    Returns:
        The call, to be told what came of it.
    """
    return LLMCall(Request(provider or _found(model), model, messages, dict(metadata or {})))


def _found(model: str) -> str:
    from sentrial import pricing

    known = pricing.lookup(model)
    return getattr(known, "provider", None) or "unknown"


class LLMCall:
    """A call in progress, made by `llm_call`."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._answer = Answer()
        self._answered = False
        self._call: Call | None = None
        self._scope: Scope | None = None

    def set_output(self, content: Any, **fields: Any) -> None:
        """Set what the model answered.

        Args:
            content: The text, or anything.
            **fields: What else belongs to the answer, for example ``tool_calls`` or ``thinking``.
        """
        self._answered = True
        told = {**(self._answer.fields or {}), **fields}
        self._answer = self._answer._replace(content=content, fields=told)

    def set_usage(
        self,
        usage: Usage | None = None,
        *,
        prompt_tokens: int = 0,
        completion_tokens: int = 0,
    ) -> None:
        """Set how many tokens were used.

        Args:
            usage: Tokens in disjoint buckets.
            prompt_tokens: Instead of it: all tokens of the input.
            completion_tokens: And all tokens of the output.
        """
        used = usage or Usage(input_tokens=prompt_tokens, output_tokens=completion_tokens)
        self._answer = self._answer._replace(usage=used)

    def set_metadata(self, **fields: Any) -> None:
        """Add to the metadata, for example ``finish_reason`` or ``request_id``."""
        told = {**(self._answer.metadata or {}), **fields}
        self._answer = self._answer._replace(metadata=told)

    def first_token(self) -> None:
        """Note that the first piece of a streamed answer is there; later calls change nothing."""
        if self._call is not None:
            self._call.first_token()

    def __enter__(self) -> Self:
        self._scope = Scope()
        session = _core.current_session(_get_client)
        if session is not None:
            self._call = Call(session, self._request, scope=self._scope)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        record = self._ended(exc_val)
        if record is not None:
            record()

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        call, record = self._call, self._ended(exc_val)
        if call is not None and record is not None:
            await (off_the_loop(record, exc_val) if call.waits else _now(record))

    def _ended(self, error: BaseException | None) -> Callable[[], None] | None:
        """Leave the scope; return what records the call."""
        if self._scope is not None:
            self._scope.close()
        call, self._call = self._call, None
        if call is None:
            return None
        if error is not None and not self._answered:
            return lambda: call.failed(error)
        return lambda: call.succeeded(self._answer, error)


async def _now(record: Callable[[], None]) -> None:
    record()

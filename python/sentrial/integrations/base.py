"""What the integrations share: the session they record for, its sums and its end, and silence.

An integration is one file. It names its requirement in `versions`, derives its handler from
`Handler`, marks what the framework calls with `quietly`, puts its wrappers in place with
`sentrial._patching`, and opens an `innermost.Scope` around what may hold a wrapped LLM call.
"""

from __future__ import annotations

import functools
import math
import time
from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec, TypeVar, cast

from sentrial import _core, _log, _patching, pricing
from sentrial._core import SentrialClient

if TYPE_CHECKING:
    from collections.abc import Callable

    from sentrial._core import Interaction
    from sentrial.async_client import AsyncSentrialClient
    from sentrial.wrappers import Usage

__all__ = [
    "Bill",
    "Handler",
    "Hook",
    "bill_of",
    "client_of",
    "cost_of",
    "count",
    "cut",
    "documented_in",
    "quietly",
    "text_of",
]

P = ParamSpec("P")
T = TypeVar("T")

_DEBUG = 10
_WARNING = 30
_reported: set[str] = set()


def quietly(method: Callable[P, T]) -> Callable[P, T | None]:
    """Make a method that a framework calls unable to harm it.

    What it raises is logged, once per method as a warning and then at level DEBUG, and the caller
    gets None.
    """

    @functools.wraps(method)
    def run(*args: P.args, **kwargs: P.kwargs) -> T | None:
        try:
            return method(*args, **kwargs)
        except Exception as error:  # noqa: BLE001  nothing here may become the framework's problem
            report(method, error)
            return None

    return run


def report(method: Callable[..., Any], error: BaseException) -> None:
    """Log that something was not recorded: a warning the first time, then at level DEBUG."""
    name = getattr(method, "__qualname__", type(method).__name__)
    level = _DEBUG if name in _reported else _WARNING
    _reported.add(name)
    _log.emit([(level, f"{name} could not record: {type(error).__name__}: {text_of(error)}")])


def documented_in(module: str) -> Callable[[T], T]:
    """Show a class or function under the module path in which it is documented."""

    def show(public: T) -> T:
        public.__module__ = module
        return public

    return show


def client_of(client: SentrialClient | AsyncSentrialClient | Any) -> SentrialClient:
    """Return the sync client that does the work of a sync or async one."""
    return cast("SentrialClient", getattr(client, "_client", client))


def text_of(value: object) -> str:
    """Return `str(value)`, or the name of its type where that fails."""
    return _core.described(value)


def cut(value: object, length: int) -> str:
    """Return `value` as text of at most `length` characters."""
    return text_of(value)[:length]


def count(tokens: object) -> int:
    """Return a number of tokens that a framework reports; 0 for what is none."""
    return int(tokens) if isinstance(tokens, (int, float)) and 0 < tokens < math.inf else 0


class Bill(NamedTuple):
    """What a call costs, and what an event says about it.

    Attributes:
        usd: USD; None where it is unknown.
        metadata: The version of the price list, whose figure it is, what has no price.
    """

    usd: float | None
    metadata: dict[str, Any]


def bill_of(
    provider: str | None,
    model: str | None,
    usage: Usage,
    metadata: dict[str, Any],
    at: float | None = None,
    *,
    anywhere: bool = True,
) -> Bill:
    """Return what the provider bills for a call, its own figure where there is one.

    Args:
        provider: The provider as the framework calls it.
        model: The model that was asked for.
        usage: What was used.
        metadata: Of the call: ``response_model``, ``service_tier`` and the like.
        at: When, in seconds since 1970; default: now.
        anywhere: Look for the model at all providers where this one does not have it.
    """
    if usage.cost is not None:
        return Bill(usage.cost, {"cost_source": "provider"})
    versioned: dict[str, Any] = {"prices_version": pricing.PRICES_VERSION}
    if not model or not usage.prompt_tokens + usage.completion_tokens:
        return Bill(None, versioned)
    moment = None if at is None else int(at)
    usd, unpriced = _core.price_call(provider, model, usage, metadata, moment)
    if usd is None and not unpriced and provider is not None and anywhere:
        # Frameworks have names of their own for providers, and some take the class of the model.
        usd, unpriced = _core.price_call(None, model, usage, metadata, moment)
    if usd is None and unpriced:
        versioned["cost_unknown_for"] = unpriced
    return Bill(usd, versioned)


def cost_of(provider: str | None, model: str | None, usage: Usage) -> float | None:
    """Return the cost of a call in USD; None for an unknown model, or where nothing was used."""
    return bill_of(provider, model, usage, {}).usd


class Hook:
    """What stands in the methods of an object of a framework: it serves one handler at a time.

    Objects outlive sessions. Where a later handler takes the same object, it takes over the hook,
    so that nothing is wrapped twice and no finished session is recorded for.

    Attributes:
        handler: Whom to tell.
    """

    _MARK = "__sentrial_hook__"

    def __init__(self, handler: Any) -> None:
        self.handler = handler
        self._undo = _patching.Undo()

    @classmethod
    def on(cls, owner: object, name: str) -> Hook | None:
        """Return the hook that stands in a method, if there is one."""
        method = getattr(owner, name, None)
        if not _patching.is_patched(method):
            return None
        hook = vars(getattr(method, "__func__", method)).get(cls._MARK)
        return hook if isinstance(hook, cls) else None

    def into(
        self, owner: object, name: str, wrap: Callable[[Callable[..., Any]], Callable[..., Any]]
    ) -> bool:
        """Put a wrapper in the place of a method; False if it cannot be done or is done already."""
        undo = _patching.patch(owner, name, wrap)
        if undo is None:
            return False
        setattr(getattr(owner, name), self._MARK, self)
        self._undo.join(undo)
        return True

    def undo(self) -> None:
        """Take everything out again."""
        self._undo()


class Handler:
    """Records for one session, and completes it.

    Attributes:
        client: The client, as it was given.
        session_id: The session, by its id or as the interaction itself; None records nothing.
        verbose: Whether what happens is printed.
        total_prompt_tokens: Tokens that went in, as far as the framework reported them.
        total_completion_tokens: Tokens that came out.
        total_tokens: The sum of both.
        total_cost: USD to 6 places, without the calls of unknown models.
        model_name: The model of the last call; None before it.
        start_time: When the work began, in seconds since the epoch; None before it.
        end_time: When it was finished; None before.
        user_input: What the user asked.
        assistant_output: What was answered.
    """

    def __init__(
        self,
        client: SentrialClient | AsyncSentrialClient,
        session_id: str | Interaction | None,
        verbose: bool = False,
    ) -> None:
        self.client = client
        self.session_id = session_id
        self.verbose = verbose
        self.total_prompt_tokens = 0
        self.total_completion_tokens = 0
        self.total_tokens = 0
        self.total_cost = 0.0
        self.model_name: str | None = None
        self.start_time: float | None = None
        self.end_time: float | None = None
        self.user_input: str | None = None
        self.assistant_output: str | None = None
        self._client = client_of(client)
        self._cost = 0.0

    @property
    def duration_ms(self) -> int:
        """Milliseconds from the start to the end, or until now; 0 before the start."""
        if self.start_time is None:
            return 0
        return int(((self.end_time or time.time()) - self.start_time) * 1000)

    def set_input(self, user_input: str) -> None:
        """Remember what the user asked, for `finish`."""
        self.user_input = user_input
        self._say(f"User input set: {cut(user_input, 50)}...")

    def _begin(self) -> None:
        if self.start_time is None:
            self.start_time = time.time()

    def _say(self, text: str) -> None:
        if self.verbose:
            print(f"[Sentrial] {text}")  # noqa: T201  asked for with verbose=True

    def _add_totals(self, usage: Usage, cost: float | None) -> None:
        self.total_prompt_tokens += usage.prompt_tokens
        self.total_completion_tokens += usage.completion_tokens
        self.total_tokens += usage.prompt_tokens + usage.completion_tokens
        self._cost += cost or 0.0
        self.total_cost = round(self._cost, 6)

    def _add_usage(self, usage: Usage, cost: float | None) -> None:
        """Add usage that no event carries to the sums of the session."""
        if self.session_id is not None and isinstance(self._client, SentrialClient):
            _core.add_usage(
                self._client,
                self.session_id,
                prompt_tokens=usage.prompt_tokens,
                completion_tokens=usage.completion_tokens,
                cost=cost,
            )

    def _usage(self) -> dict[str, Any]:
        return {
            "total_prompt_tokens": self.total_prompt_tokens,
            "total_completion_tokens": self.total_completion_tokens,
            "total_tokens": self.total_tokens,
            "total_cost": self.total_cost,
            "model": self.model_name,
            "duration_ms": self.duration_ms,
        }

    def _complete(
        self, success: bool, failure_reason: str | None, metrics: dict[str, Any] | None
    ) -> dict[str, Any]:
        """Complete the session.

        Its costs and tokens are the sums that the client keeps, of this handler and of whatever
        else recorded for the session: they are not given here, so that they overwrite nothing.
        """
        self.end_time = time.time()
        if self.session_id is None:
            return {}
        return self._client.complete_session(
            self.session_id,
            success=success,
            failure_reason=failure_reason,
            custom_metrics=metrics or None,
            duration_ms=self.duration_ms,
            user_input=self.user_input,
            assistant_output=self.assistant_output,
        )

"""The calls of models that LangChain reports, each as an event with its usage."""

from __future__ import annotations

import os
import re
import time
from typing import TYPE_CHECKING, Any

from sentrial.integrations.base import Handler, bill_of, cut, quietly, text_of
from sentrial.integrations.langchain_messages import (
    Answer,
    answer_of,
    plain_messages,
    provider_and_model,
)
from sentrial.integrations.langchain_runs import Place, RunTree
from sentrial.wrappers import _innermost

if TYPE_CHECKING:
    from uuid import UUID

    from sentrial._core import Interaction, SentrialClient
    from sentrial.async_client import AsyncSentrialClient

__all__ = ["ModelCallbacks", "since"]

_THOUGHT = re.compile(r"Thought:(.*?)(?:Action:|Final Answer:|$)", re.DOTALL)
_PROMPT_VARIABLE = "SENTRIAL_EXPERIMENT_SYSTEM_PROMPT"


def since(started: float) -> int:
    """Return the milliseconds since a moment of `time.perf_counter`."""
    return int((time.perf_counter() - started) * 1000)


class _ModelRun:
    """One call of a model that has started."""

    def __init__(self, messages: Any, provider: str | None, model: str | None) -> None:
        self.messages = plain_messages(messages)
        self.provider = provider
        self.model = model
        self.started = time.perf_counter()
        self.first_token: float | None = None
        # A wrapped client inside the call sees the same usage.
        self.scope = _innermost.Scope()


class ModelCallbacks(Handler):
    """The callbacks of models.

    Attributes:
        track_llm_calls: Whether calls of models are sent as events; their usage counts anyway.
        last_llm_reasoning: The last thought, until a tool call takes it as its reasoning.
        llm_calls: Model calls so far.
    """

    def __init__(
        self,
        client: SentrialClient | AsyncSentrialClient,
        session_id: str | Interaction | None,
        track_llm_calls: bool,
        verbose: bool,
    ) -> None:
        super().__init__(client, session_id, verbose)
        self.track_llm_calls = track_llm_calls
        self.last_llm_reasoning: str | None = None
        self.llm_calls = 0
        self._last_text: str | None = None
        self._llm_runs: dict[Any, _ModelRun] = {}
        self._tree = RunTree()

    @quietly
    def on_llm_start(
        self,
        serialized: dict[str, Any],
        prompts: list[str],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **kwargs: Any,
    ) -> None:
        """Note the start of a completion; see `SENTRIAL_EXPERIMENT_SYSTEM_PROMPT`."""
        self._begin()
        prompt = os.environ.get(_PROMPT_VARIABLE)
        if prompt and prompts:
            prompts[0] = f"{prompt}\n\n{prompts[0]}"
            self._say("Injected experiment system prompt")
        self._say(f"LLM call started: {len(prompts)} prompts")
        self._llm_started(serialized, list(prompts), run_id, parent_run_id, kwargs)

    @quietly
    def on_chat_model_start(
        self,
        serialized: dict[str, Any],
        messages: list[list[Any]],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **kwargs: Any,
    ) -> None:
        """Note the start of a call of a chat model."""
        self._begin()
        self._say(f"LLM call started: {len(messages)} prompts")
        self._llm_started(serialized, messages, run_id, parent_run_id, kwargs)

    @quietly
    def on_llm_new_token(self, token: Any, *, run_id: UUID, **kwargs: Any) -> None:  # noqa: ARG002  LangChain's signature
        """Note when a stream began."""
        run = self._llm_runs.get(run_id)
        if run is not None and run.first_token is None:
            run.first_token = time.perf_counter()

    @quietly
    def on_llm_end(
        self,
        response: Any,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        """Record a call of a model with its usage, and remember its text and its thought."""
        run = self._llm_runs.pop(run_id, None)
        place = self._tree.place(run_id, parent_run_id)
        self._tree.end(run_id)
        answer = answer_of(response)
        self.llm_calls += 1
        if answer.text:
            self._last_text = answer.text
            thought = _THOUGHT.search(answer.text)
            if thought is not None:
                self.last_llm_reasoning = thought[1].strip()
        self._llm_ended(answer, run or _ModelRun(None, None, None), place)

    @quietly
    def on_llm_error(
        self,
        error: BaseException,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        """Record that a call of a model failed."""
        run = self._llm_runs.pop(run_id, None) or _ModelRun(None, None, None)
        run.scope.close()
        place = self._tree.place(run_id, parent_run_id)
        provider, model = run.provider or "unknown", run.model or "unknown"
        self._say(f"LLM error: {cut(error, 200)}")
        if self._tree.is_news(run_id, parent_run_id, error):
            self._error(
                error,
                f"llm:{provider}:{model}",
                place,
                {"provider": provider, "model": model, "duration_ms": since(run.started)},
            )
        self._tree.end(run_id)

    def _llm_started(
        self, serialized: Any, messages: Any, run_id: Any, parent_run_id: Any, kwargs: Any
    ) -> None:
        provider, model = provider_and_model(serialized, kwargs)
        self._llm_runs[run_id] = _ModelRun(messages, provider, model)
        self._tree.start(run_id, parent_run_id, model or "model")

    def _llm_ended(self, answer: Answer, run: _ModelRun, place: Place) -> None:
        model = answer.model or run.model
        provider = answer.provider or run.provider
        self.model_name = model or self.model_name
        bill = bill_of(provider, run.model or model, answer.usage, answer.metadata)
        cost = 0.0 if answer.cached else bill.usd
        self._add_totals(answer.usage, cost)
        carries = run.scope.claim()
        run.scope.close()
        if self.session_id is None:
            return
        if not self.track_llm_calls:
            if carries:
                self._add_usage(answer.usage, cost)
            return
        metadata = {**place.metadata, **answer.metadata}
        if answer.cached:
            metadata["cached"] = True
        elif carries:
            metadata |= bill.metadata
        if run.first_token is not None:
            metadata["time_to_first_token_ms"] = int((run.first_token - run.started) * 1000)
        if carries and not answer.cached and not any(answer.usage):
            metadata["cost_unknown"] = True
        self._client.track_llm_call(
            self.session_id,
            model or "unknown",
            run.messages,
            answer.text,
            provider=provider,
            usage=answer.usage,
            estimated_cost=cost,
            duration_ms=since(run.started),
            metadata=metadata,
            output_fields={"tool_calls": answer.tool_calls} if answer.tool_calls else None,
            trace_id=place.trace_id,
            span_id=place.span_id,
            with_usage=carries,
        )

    def _error(
        self, error: BaseException, tool_name: str | None, place: Place, about: dict[str, Any]
    ) -> None:
        if self.session_id is not None:
            self._client.track_error(
                self.session_id,
                text_of(error),
                type(error).__name__,
                tool_name,
                trace_id=place.trace_id,
                span_id=place.span_id,
                metadata={**place.metadata, **about} or None,
            )

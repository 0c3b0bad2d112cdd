"""One ended span becomes one event, through the ordinary calls of the client."""

from __future__ import annotations

from typing import NamedTuple

from sentrial import pricing
from sentrial.integrations import otel_attributes as attribute
from sentrial.integrations import otel_content as content
from sentrial.integrations.base import Bill, bill_of
from sentrial.wrappers import Usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sentrial._core import Interaction, SentrialClient

__all__ = ["Failure", "failure_of", "record", "trace_id"]

# Names of the conventions that the price list does not know by themselves.
_PRICED_AS = {
    "az.ai.inference": "azure",
    "azure.ai.inference": "azure",
    "gcp.gen_ai": "google",
    "x_ai": "x-ai",
}


class Failure(NamedTuple):
    """Why a span failed.

    Attributes:
        message: The message of its exception, else the description of its status.
        type: The class of the exception, or ``error.type``; None if unknown.
        stack_trace: As recorded with the exception; None if unknown.
    """

    message: str
    type: str | None
    stack_trace: str | None

    @property
    def reason(self) -> str:
        """The failure in one line, as sessions carry it."""
        return f"{self.type}: {self.message}" if self.type else self.message

    @property
    def tool_error(self) -> dict[str, str]:
        """The failure as the `tool_error` of an event."""
        named = {"message": self.message, "type": self.type, "stack_trace": self.stack_trace}
        return {name: value for name, value in named.items() if value}


def failure_of(span: Any) -> Failure | None:
    """Return why a span failed: None unless its status is an error."""
    status = span.status
    if status is None or status.status_code.name != "ERROR":
        return None
    raised: dict[str, Any] = {}
    for event in span.events:
        if event.name == "exception":
            raised = dict(event.attributes or {})
    kind = raised.get("exception.type") or (span.attributes or {}).get("error.type")
    message = raised.get("exception.message") or status.description
    stack_trace = raised.get("exception.stacktrace")
    return Failure(
        str(message) if message else str(kind or f"the span {span.name!r} failed"),
        str(kind) if kind and message else None,
        str(stack_trace) if stack_trace else None,
    )


def trace_id(span: Any) -> str:
    """Return the id of a span's trace as it is written everywhere: 32 hexadecimal digits."""
    return format(span.context.trace_id, "032x")


def record(
    client: SentrialClient,
    session: Interaction,
    span: Any,
    failure: Failure | None,
    *,
    counted_inside: bool,
) -> bool:
    """Record an ended span.

    Args:
        client: Where to.
        session: The session of its trace, begun on that client.
        span: A `ReadableSpan`.
        failure: Why the span failed.
        counted_inside: A span inside has carried the usage that this one would report again.

    Returns:
        Whether it is a call of a model whose usage is known.
    """
    attributes = dict(span.attributes or {})
    event = _Event(client, session, span, attributes, failure)
    kind = attribute.kind(span.name, attributes)
    if kind == attribute.LLM:
        event.llm_call(counted_inside=counted_inside)
        return any(attribute.tokens(attributes))
    if kind == attribute.TOOL:
        event.tool_call()
    elif event.failure is not None:
        event.error(event.failure)
    else:
        event.decision()
    return False


class _Event(NamedTuple):
    client: SentrialClient
    session: Interaction
    span: Any
    attributes: dict[str, Any]
    failure: Failure | None

    @property
    def _trace_id(self) -> str:
        return trace_id(self.span)

    @property
    def _span_id(self) -> str:
        return format(self.span.context.span_id, "016x")

    @property
    def _duration_ms(self) -> int:
        start, end = self.span.start_time, self.span.end_time
        return max(0, (end - start) // 1_000_000) if start and end else 0

    @property
    def _metadata(self) -> dict[str, Any]:
        return {"duration_ms": self._duration_ms, "otel_span_name": self.span.name}

    @property
    def _tool_error(self) -> dict[str, str] | None:
        return self.failure.tool_error if self.failure else None

    def llm_call(self, *, counted_inside: bool) -> None:
        model = attribute.model(self.attributes) or "unknown"
        declared = attribute.provider(self.attributes)
        provider = declared or _owner(model) or "unknown"
        prompt, completion, total = attribute.tokens(self.attributes)
        output: dict[str, Any] = {
            "messages": content.output_messages(self.attributes, self.span.events)
        }
        terms = attribute.terms(self.attributes)
        if terms.get("response_model") == model:
            del terms["response_model"]
        metadata = {**self._metadata, **terms}
        cost: float | None = 0.0
        if counted_inside:
            metadata["usage_in_child_span"] = True
        else:
            output["tokens"] = {
                "prompt": prompt,
                "completion": completion,
                "total": total,
                **attribute.details(self.attributes),
            }
            bill = self._bill(declared, model, total, terms)
            cost = bill.usd
            metadata |= bill.metadata
            if cost is None:
                metadata["cost_unknown"] = True
        self.client.track_tool_call(
            self.session,
            f"llm:{provider}:{model}",
            {
                "messages": content.input_messages(self.attributes, self.span.events),
                "model": model,
                "provider": provider,
            },
            output,
            reasoning="LLM call via OpenTelemetry",
            estimated_cost=cost or 0.0,
            tool_error=self._tool_error,
            token_count=None if counted_inside else total,
            metadata=metadata,
            trace_id=self._trace_id,
            span_id=self._span_id,
        )

    def _bill(self, provider: str | None, model: str, total: int, terms: dict[str, str]) -> Bill:
        """Return what the call cost: None if its price is unknown, 0.0 if it used nothing."""
        given = attribute.cost(self.attributes)
        if given is not None:
            return Bill(given, {"cost_source": "provider"})
        if not total:
            return Bill(0.0, {})
        buckets: dict[str, Any] = attribute.buckets(self.attributes)
        usage = Usage(**buckets)
        at = self.span.end_time / 1e9 if self.span.end_time else None
        named = _PRICED_AS.get(provider or "", provider)
        return bill_of(named, model, usage, dict(terms), at, anywhere=False)

    def tool_call(self) -> None:
        given, result = content.tool_input(self.attributes), content.tool_output(self.attributes)
        self.client.track_tool_call(
            self.session,
            attribute.tool_name(self.span.name, self.attributes),
            {"otel_attributes": self.attributes} if given is None else given,
            {"status": self.span.status.status_code.name} if result is None else result,
            tool_error=self._tool_error,
            metadata=self._metadata,
            trace_id=self._trace_id,
            span_id=self._span_id,
        )

    def error(self, failure: Failure) -> None:
        self.client.track_error(
            self.session,
            failure.message,
            failure.type,
            self.span.name,
            failure.stack_trace,
            metadata={"duration_ms": self._duration_ms, "otel_attributes": self.attributes},
            trace_id=self._trace_id,
            span_id=self._span_id,
        )

    def decision(self) -> None:
        self.client.track_decision(
            self.session,
            f"OTel span: {self.span.name}",
            metadata={"duration_ms": self._duration_ms, "otel_attributes": self.attributes},
            trace_id=self._trace_id,
            span_id=self._span_id,
        )


def _owner(model: str) -> str | None:
    """Return the provider whose model it is, as far as the price list knows."""
    price = pricing.lookup(model)
    return price.provider or None if price else None

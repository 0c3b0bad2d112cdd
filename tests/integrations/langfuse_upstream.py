"""A Langfuse on loopback: it takes what the SDKs of Langfuse 2 and newer send, and shows it alike.

Langfuse 2 posts batches of JSON events; from 3 on observations arrive as OTLP spans (protobuf) and
scores as JSON.
"""

from __future__ import annotations

import gzip
import http.server
import json
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.support.waiting import eventually

if TYPE_CHECKING:
    from typing_extensions import Self

PREFIX = "langfuse.observation."


@dataclass
class Observation:
    """One observation, of whatever version."""

    kind: str
    name: str
    input: Any = None
    output: Any = None
    metadata: dict[str, Any] = field(default_factory=dict)
    level: str = "DEFAULT"
    status_message: str | None = None
    model: str | None = None
    usage: dict[str, int] = field(default_factory=dict)


@dataclass
class Trace:
    """One trace: what it was said to be, and what is in it."""

    id: str
    name: str | None = None
    user_id: str | None = None
    input: Any = None
    output: Any = None
    metadata: dict[str, Any] = field(default_factory=dict)
    observations: list[Observation] = field(default_factory=list)
    scores: dict[str, float] = field(default_factory=dict)

    def of(self, kind: str) -> list[Observation]:
        """Return the observations of a kind, in order of arrival."""
        return [found for found in self.observations if found.kind == kind]


class Upstream:
    """The server; a context manager."""

    def __init__(self) -> None:
        self.raw: list[bytes] = []
        self.threads: set[str] = set()
        self._by_id: dict[str, Trace] = {}
        self._spans: dict[str, Observation] = {}
        self._gate = threading.Event()
        self._gate.set()
        upstream = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                """Say nothing."""

            def do_GET(self) -> None:
                self._answer({"data": [{"id": "project", "name": "project"}]})

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                upstream._gate.wait(60)
                self._answer(upstream.take(self.path, body))

            def _answer(self, value: Any) -> None:
                body = b"" if value is None else json.dumps(value).encode()
                self.send_response(207 if value and "successes" in value else 200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                """A client that went away is no error here."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.open()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def hang(self) -> None:
        """Answer nothing until `open` is called."""
        self._gate.clear()

    def open(self) -> None:
        """Answer again."""
        self._gate.set()

    def traces(self) -> list[Trace]:
        """Return the traces in order of arrival."""
        return list(self._by_id.values())

    def trace(self, ready: str = "success") -> Trace:
        """Return the only trace, as soon as it has a score of this name."""
        eventually(lambda: any(ready in trace.scores for trace in self.traces()))
        (trace,) = self.traces()
        return trace

    def take(self, path: str, body: bytes) -> Any:
        """Take a request; returns the answer."""
        self.raw.append(body)
        if path.endswith("/otel/v1/traces"):
            self._take_spans(body)
            return None
        value = json.loads(body)
        if path.endswith("/ingestion"):
            for event in value["batch"]:
                self._take_event(event["type"], event["body"])
            return {
                "successes": [{"id": e["id"], "status": 201} for e in value["batch"]],
                "errors": [],
            }
        scores = value if isinstance(value, list) else value.get("scores", [value])
        for score in scores:
            self._take_score(score)
        return {"results": [{"id": score["id"], "status": 200} for score in scores]}

    def _trace(self, trace_id: str) -> Trace:
        return self._by_id.setdefault(trace_id, Trace(trace_id))

    def _take_score(self, body: dict[str, Any]) -> None:
        self._trace(body["traceId"]).scores[body["name"]] = body["value"]

    def _take_event(self, kind: str, body: dict[str, Any]) -> None:
        if kind == "score-create":
            self._take_score(body)
        elif kind == "trace-create":
            trace = self._trace(body["id"])
            for name, key in (("name", "name"), ("user_id", "userId"), ("input", "input")):
                if body.get(key) is not None:
                    setattr(trace, name, body[key])
            trace.output = body.get("output") or trace.output
            trace.metadata |= body.get("metadata") or {}
        elif kind != "sdk-log":
            self._take_observation(kind.partition("-")[0], body)

    def _take_observation(self, kind: str, body: dict[str, Any]) -> None:
        found = self._spans.get(body["id"])
        if found is None:
            found = self._spans[body["id"]] = Observation(kind, body["name"])
            self._trace(body["traceId"]).observations.append(found)
        for name, key in (
            ("input", "input"),
            ("output", "output"),
            ("level", "level"),
            ("status_message", "statusMessage"),
            ("model", "model"),
        ):
            if body.get(key) is not None:
                setattr(found, name, body[key])
        found.metadata |= body.get("metadata") or {}
        usage = body.get("usage") or {}
        found.usage |= {k: v for k, v in usage.items() if isinstance(v, int)}

    def _take_spans(self, body: bytes) -> None:
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
            ExportTraceServiceRequest,
        )

        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for scope in resource.scope_spans:
                for span in scope.spans:
                    self._take_span(span)

    def _take_span(self, span: Any) -> None:
        attributes = {pair.key: _plain(pair.value) for pair in span.attributes}
        trace = self._trace(span.trace_id.hex())
        metadata_at = PREFIX + "metadata."
        found = Observation(
            kind=attributes[PREFIX + "type"],
            name=span.name,
            input=_json(attributes.get(PREFIX + "input")),
            output=_json(attributes.get(PREFIX + "output")),
            metadata={
                key.removeprefix(metadata_at): _json(value)
                for key, value in attributes.items()
                if key.startswith(metadata_at)
            },
            level=attributes.get(PREFIX + "level", "DEFAULT"),
            status_message=attributes.get(PREFIX + "status_message"),
            model=attributes.get(PREFIX + "model.name"),
            usage=_json(attributes.get(PREFIX + "usage_details")) or {},
        )
        if attributes.get("langfuse.internal.as_root"):
            trace.name = attributes.get("langfuse.trace.name")
            trace.user_id = attributes.get("user.id")
            trace.input, trace.output = found.input, found.output
            trace.metadata = found.metadata
        else:
            trace.observations.append(found)


def _plain(value: Any) -> Any:
    return getattr(value, value.WhichOneof("value"))


def _json(value: Any) -> Any:
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return value

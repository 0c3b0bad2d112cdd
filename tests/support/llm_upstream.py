"""Providers of language models on loopback: a real HTTP server that answers in their wire formats.

What a test wants to be answered is a `Reply`, given per path; the requests are kept::

    with LLMUpstream() as upstream:
        upstream.reply("/chat/completions", chat("hello", usage=(11, 7)))
        client = OpenAI(base_url=f"{upstream.url}/v1", api_key="k")
"""

from __future__ import annotations

import base64
import json
import socket
import struct
import threading
import time
import zlib
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self


@dataclass
class Reply:
    """One answer: a JSON body, or events of a stream (SSE)."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    events: Sequence[Any] | None = None
    named: bool = False
    """Whether each event has an `event:` line with its type, as Anthropic's have."""
    done: bool = True
    """Whether the stream ends with `[DONE]`, as OpenAI's does."""
    cut_after: int | None = None
    """After so many events the connection breaks."""
    delay: float = 0.0
    """Seconds before each event."""
    at_once: bool = False
    """Whether all events are one write."""
    text: str | None = None
    """A body as it is, in the place of JSON."""
    binary: bytes | None = None
    """The same as bytes: an event stream of AWS."""


@dataclass
class Asked:
    """One request."""

    path: str
    headers: dict[str, str]
    json: Any


class LLMUpstream:
    """The server. Use it as a context manager."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self._replies: list[tuple[str, list[Reply]]] = []
        handler = type("Handler", (_Handler,), {"upstream": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def url(self) -> str:
        """Base URL."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def reply(self, path: str, *replies: Reply) -> None:
        """Answer requests whose path contains this: one reply each, the last one for ever."""
        self._replies.insert(0, (path, list(replies)))

    def take(self, path: str) -> Reply:
        """Return the next reply for a path."""
        for part, replies in self._replies:
            if part in path:
                return replies.pop(0) if len(replies) > 1 else replies[0]
        return Reply({"error": {"message": f"nothing to say about {path}"}}, status=404)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    upstream: LLMUpstream
    # Head and body are two writes: the second would wait for the receipt of the first.
    disable_nagle_algorithm = True

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def handle_one_request(self) -> None:
        """Take the end of a connection that a client breaks as its end."""
        try:
            super().handle_one_request()
        except ConnectionResetError:
            self.close_connection = True

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.upstream.asked.append(Asked(self.path, headers, json.loads(raw) if raw else None))
        reply = self.upstream.take(self.path)
        try:
            if reply.events is None:
                self._send_whole(reply)
            else:
                self._send_events(reply)
        except (BrokenPipeError, ConnectionResetError):
            # The client has seen enough.
            self.close_connection = True

    def _send_whole(self, reply: Reply) -> None:
        time.sleep(reply.delay)
        data = (json.dumps(reply.body) if reply.text is None else reply.text).encode()
        kind = "application/json"
        if reply.binary is not None:
            data, kind = reply.binary, "application/vnd.amazon.eventstream"
        self.send_response(reply.status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def _send_events(self, reply: Reply) -> None:
        self.send_response(reply.status)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if reply.at_once:
            self._chunk("".join(f"data: {json.dumps(event)}\n\n" for event in reply.events or ()))
        for sent, event in enumerate(() if reply.at_once else reply.events or ()):
            if sent == reply.cut_after:
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True
                return
            time.sleep(reply.delay)
            head = f"event: {event['type']}\n" if reply.named else ""
            text = event if isinstance(event, str) else json.dumps(event)
            self._chunk(f"{head}data: {text}\n\n")
        if reply.done:
            self._chunk("data: [DONE]\n\n")
        self.wfile.write(b"0\r\n\r\n")

    def _chunk(self, text: str) -> None:
        data = text.encode()
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()


# -- OpenAI


def chat(content: str | None, *, usage: Any = (11, 7), **message: Any) -> Reply:
    """Return an answer of the chat completions API."""
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": content, **message},
        "finish_reason": "tool_calls" if message.get("tool_calls") else "stop",
        "logprobs": None,
    }
    return Reply(_completion([choice], usage), headers={"x-request-id": "req_openai"})


def _completion(choices: list[Any], usage: Any, kind: str = "chat.completion") -> dict[str, Any]:
    body = {
        "id": "chatcmpl-1",
        "object": kind,
        "created": 1_700_000_000,
        "model": "gpt-4o-2024-08-06",
        "choices": choices,
    }
    if usage is not None:
        body["usage"] = openai_usage(usage)
    return body


def openai_usage(usage: Any) -> Any:
    """Return a usage object from (prompt, completion), or as it is."""
    if not isinstance(usage, tuple):
        return usage
    into, out_of = usage
    return {"prompt_tokens": into, "completion_tokens": out_of, "total_tokens": into + out_of}


def chat_stream(*deltas: Any, usage: Any = (11, 7), **reply: Any) -> Reply:
    """Return a streamed answer; the last chunk has the usage and no choices."""
    chunks = [chunk(delta) for delta in deltas]
    chunks.append(chunk({}, finish_reason="stop"))
    if usage is not None:
        chunks.append(_completion([], usage, "chat.completion.chunk"))
    return Reply(events=chunks, **reply)


def chunk(delta: Any, *, index: int = 0, finish_reason: str | None = None) -> dict[str, Any]:
    """Return a chunk; a str is content."""
    delta = {"content": delta} if isinstance(delta, str) else delta
    choice = {"index": index, "delta": delta, "finish_reason": finish_reason, "logprobs": None}
    return _completion([choice], None, "chat.completion.chunk")


def response_body(text: str, *, usage: Any = None, **more: Any) -> dict[str, Any]:
    """Return a body of the responses API."""
    message = {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "status": "completed",
        "content": [{"type": "output_text", "text": text, "annotations": []}],
    }
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1_700_000_000,
        "status": "completed",
        "model": "gpt-4o-2024-08-06",
        "output": [message],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": usage
        or {
            "input_tokens": 20,
            "output_tokens": 9,
            "total_tokens": 29,
            "input_tokens_details": {"cached_tokens": 8, "cache_write_tokens": 0},
            "output_tokens_details": {"reasoning_tokens": 4},
        },
        **more,
    }


def response_events(*texts: str, complete: bool = True) -> list[dict[str, Any]]:
    """Return the events of a streamed response."""
    empty = response_body("")
    empty.update(status="in_progress", output=[], usage=None)
    item = {"type": "message", "id": "msg_1", "role": "assistant", "content": []}
    part = {"type": "output_text", "text": "", "annotations": []}
    at = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": empty},
        {
            "type": "response.output_item.added",
            "output_index": 0,
            "item": {**item, "status": "in_progress"},
        },
        {"type": "response.content_part.added", **at, "part": part},
    ]
    events += [
        {"type": "response.output_text.delta", **at, "delta": text, "logprobs": []}
        for text in texts
    ]
    if complete:
        whole = response_body("".join(texts))
        events += [{"type": "response.completed", "response": whole}]
    return [{**event, "sequence_number": number} for number, event in enumerate(events)]


# -- Anthropic


def message_body(*blocks: Any, usage: Any = None, **more: Any) -> dict[str, Any]:
    """Return a message of Anthropic's; a str is a text block."""
    content = [{"type": "text", "text": b} if isinstance(b, str) else b for b in blocks]
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-3-5-sonnet-20241022",
        "content": content,
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": usage or {"input_tokens": 13, "output_tokens": 5},
        **more,
    }


def message(*blocks: Any, usage: Any = None, **more: Any) -> Reply:
    """Return an answer of the messages API."""
    return Reply(message_body(*blocks, usage=usage, **more), headers={"request-id": "req_ant"})


def message_stream(*texts: str, thinking: str = "", tool: Any = None, **reply: Any) -> Reply:
    """Return a streamed message: thinking, text, a tool use given as (name, json)."""
    start = message_body(usage={"input_tokens": 13, "output_tokens": 1, **_CACHED})
    start["stop_reason"] = None
    events: list[dict[str, Any]] = [{"type": "message_start", "message": start}]
    if thinking:
        events += _block(
            0,
            {"type": "thinking", "thinking": "", "signature": ""},
            {"type": "thinking_delta", "thinking": thinking},
        )
    number = 1 if thinking else 0
    deltas = [{"type": "text_delta", "text": text} for text in texts]
    events += _block(number, {"type": "text", "text": ""}, *deltas)
    if tool:
        name, arguments = tool
        half = len(arguments) // 2
        events += _block(
            number + 1,
            {"type": "tool_use", "id": "toolu_1", "name": name, "input": {}},
            {"type": "input_json_delta", "partial_json": arguments[:half]},
            {"type": "input_json_delta", "partial_json": arguments[half:]},
        )
    reason = "tool_use" if tool else "end_turn"
    events += [
        {
            "type": "message_delta",
            "delta": {"stop_reason": reason, "stop_sequence": None},
            "usage": {"output_tokens": 9},
        },
        {"type": "message_stop"},
    ]
    return Reply(events=events, named=True, done=False, **reply)


_CACHED = {"cache_read_input_tokens": 100, "cache_creation_input_tokens": 20}


def _block(index: int, block: Any, *deltas: Any) -> list[dict[str, Any]]:
    return [
        {"type": "content_block_start", "index": index, "content_block": block},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def on_bedrock(stream: Reply) -> Reply:
    """Return a streamed message in the binary form in which Bedrock sends it."""
    return Reply(binary=b"".join(map(_frame, stream.events or ())))


def _frame(event: Any) -> bytes:
    names = {":event-type": "chunk", ":content-type": "application/json", ":message-type": "event"}
    headers = b"".join(
        bytes([len(name)])
        + name.encode()
        + b"\x07"
        + struct.pack(">H", len(value))
        + value.encode()
        for name, value in names.items()
    )
    inner = base64.b64encode(json.dumps(event).encode()).decode()
    payload = json.dumps({"bytes": inner}).encode()
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    frame = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + payload
    return frame + struct.pack(">I", zlib.crc32(frame))


# -- Google


def gemini_body(*parts: Any, usage: Any = None, **more: Any) -> dict[str, Any]:
    """Return a response of Gemini's; a str is a text part."""
    told = [{"text": part} if isinstance(part, str) else part for part in parts]
    return {
        "candidates": [
            {"content": {"role": "model", "parts": told}, "finishReason": "STOP", "index": 0}
        ],
        "usageMetadata": usage
        or {"promptTokenCount": 17, "candidatesTokenCount": 6, "totalTokenCount": 23},
        "modelVersion": "gemini-2.0-flash-001",
        "responseId": "resp_google",
        **more,
    }


def gemini(*parts: Any, usage: Any = None, **more: Any) -> Reply:
    """Return an answer of Gemini."""
    return Reply(gemini_body(*parts, usage=usage, **more))


def gemini_stream(*texts: str, as_list: bool = False, **reply: Any) -> Reply:
    """Return a streamed answer; the older package asks for one JSON list."""
    bodies = []
    for number, text in enumerate(texts, 1):
        usage = {
            "promptTokenCount": 17,
            "candidatesTokenCount": 2 * number,
            "totalTokenCount": 17 + 2 * number,
        }
        body = gemini_body(text, usage=usage)
        if number < len(texts):
            del body["candidates"][0]["finishReason"]
        bodies.append(body)
    if as_list:
        return Reply(bodies, **reply)
    return Reply(events=bodies, done=False, **reply)

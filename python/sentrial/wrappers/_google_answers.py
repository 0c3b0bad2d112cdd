"""Contents and answers of Gemini, which both of Google's packages spell alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sentrial.wrappers._google_turns import added
from sentrial.wrappers._record import Answer
from sentrial.wrappers._usage import of_google
from sentrial.wrappers._values import read

if TYPE_CHECKING:
    from sentrial.wrappers._record import Options
    from sentrial.wrappers._usage import Usage

__all__ = [
    "Chunks",
    "answer",
    "enum_name",
    "messages_of",
    "metadata",
    "model_name",
    "parts_of",
    "plain",
    "told",
]


def model_name(name: object) -> str:
    """Return the bare name of a model: without `models/` and the like."""
    if not isinstance(name, str) or not name:
        return "gemini-unknown"
    return name.removeprefix("publishers/google/").removeprefix("models/")


def messages_of(contents: Any) -> Any:
    """Write contents as messages: text as the user's, objects by their role and text."""
    if isinstance(contents, str):
        return [{"role": "user", "content": contents}]
    if isinstance(contents, (list, tuple)):
        return [_message(item) for item in contents]
    if isinstance(contents, dict):
        return [{"role": "user", "content": str(contents)}]
    return [_message(contents)]


def _message(item: Any) -> Any:
    if isinstance(item, str):
        return {"role": "user", "content": item}
    if isinstance(item, dict):
        return item
    parts = _items(read(item, "parts"))
    role = read(item, "role")
    if parts is not None and isinstance(role, (str, type(None))):
        found = [_part(part) if (text := _text(part)) is None else text for part in parts]
        texts = [text for text in found if isinstance(text, str)]
        content = "".join(texts) if len(texts) == len(found) else found
        return {"role": role or "user", "content": content}
    text = _text(item)
    return {"role": "user", "content": _part(item) if text is None else text}


def _items(value: Any) -> list[Any] | None:
    """A list, or the repeated field of a protobuf message; None for anything else."""
    if value is None or isinstance(value, (str, bytes, dict)) or not hasattr(value, "__len__"):
        return None
    try:
        return list(value)
    except Exception:  # noqa: BLE001  an object that only looks like a list
        return None


def _text(part: Any) -> str | None:
    if isinstance(part, str):
        return part
    text = read(part, "text")
    return text if isinstance(text, str) and text else None


def _part(part: Any) -> Any:
    """A part without text, in a few words; what it is for unknown ones."""
    call = read(part, "function_call")
    if call is not None and read(call, "name"):
        return {"function_call": {"name": read(call, "name"), "args": plain(read(call, "args"))}}
    response = read(part, "function_response")
    if response is not None and read(response, "name"):
        told = {"name": read(response, "name"), "response": plain(read(response, "response"))}
        return {"function_response": told}
    blob = read(part, "inline_data")
    if blob is not None and read(blob, "data"):
        return {"mime_type": read(blob, "mime_type"), "data": read(blob, "data")}
    file = read(part, "file_data")
    if file is not None and read(file, "file_uri"):
        return {"mime_type": read(file, "mime_type"), "file_uri": read(file, "file_uri")}
    return part


def plain(value: Any, depth: int = 8) -> Any:
    """Return the mappings and lists of protobuf messages as dicts and lists."""
    if value is None or isinstance(value, (str, int, float, bool, bytes)) or depth == 0:
        return value
    if hasattr(value, "items"):
        return {str(key): plain(item, depth - 1) for key, item in value.items()}
    items = _items(value)
    return value if items is None else [plain(item, depth - 1) for item in items]


def parts_of(response: Any) -> list[Any]:
    """Return the parts of the first candidate."""
    candidates = _items(read(response, "candidates"))
    content = read(candidates[0], "content") if candidates else None
    return _items(read(content, "parts")) or []


def told(parts: list[Any], options: Options) -> tuple[str, dict[str, Any]]:
    """Return the text of parts, and what else is in them."""
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[dict[str, Any]] = []
    media: list[Any] = []
    for part in parts:
        text = _text(part)
        call = read(part, "function_call")
        blob = read(part, "inline_data")
        if text is not None:
            (thoughts if read(part, "thought") is True else texts).append(text)
        elif call is not None and read(call, "name"):
            calls.append(
                {
                    "id": read(call, "id") or None,
                    "name": read(call, "name"),
                    "arguments": plain(read(call, "args")),
                }
            )
        elif blob is not None and read(blob, "data"):
            media.append(_part(part))
    fields: dict[str, Any] = {}
    if calls:
        fields["tool_calls"] = calls
    if thoughts and options.thinking:
        fields["thinking"] = "".join(thoughts)
    if media:
        fields["media"] = media
    return "".join(texts), fields


def answer(response: Any, options: Options) -> Answer:
    """Read a response of either package."""
    content, fields = told(parts_of(response), options)
    candidates = _items(read(response, "candidates")) or []
    if len(candidates) > 1:
        fields["choices"] = [
            {
                "index": index,
                "content": told(_items(read(read(one, "content"), "parts")) or [], options)[0],
                "finish_reason": enum_name(read(one, "finish_reason")),
            }
            for index, one in enumerate(candidates)
        ]
    parsed = read(response, "parsed")
    if parsed is not None:
        fields["parsed"] = parsed
    usage = of_google(read(response, "usage_metadata"), searches(response))
    return Answer(content, usage, fields, metadata(response))


def searches(response: Any) -> dict[str, int]:
    """Return how many searches of the web are billed: by the prompt, from Gemini 3 by the query."""
    queries = 0
    for one in _items(read(response, "candidates")) or ():
        queries += len(_items(read(read(one, "grounding_metadata"), "web_search_queries")) or ())
    if not queries:
        return {}
    version = str(read(response, "model_version") or "")
    return {"web_search": 1 if version.startswith(("gemini-1", "gemini-2")) else queries}


#: What Google calls the terms under which it has served a request.
_TRAFFIC = {"ON_DEMAND": "standard", "ON_DEMAND_FLEX": "flex", "ON_DEMAND_PRIORITY": "priority"}


def tier_of(usage: Any) -> str | None:
    """Return the service tier of an answer, if its usage names one."""
    traffic = enum_name(read(usage, "traffic_type")) or enum_name(read(usage, "service_tier"))
    return None if traffic is None else _TRAFFIC.get(traffic, traffic.lower())


def metadata(response: Any) -> dict[str, Any]:
    """Return which answer it is, and why it ended."""
    found: dict[str, Any] = {}
    for name, attribute in (("response_id", "response_id"), ("response_model", "model_version")):
        value = read(response, attribute)
        if isinstance(value, str) and value:
            found[name] = value
    tier = tier_of(read(response, "usage_metadata"))
    if tier is not None:
        found["service_tier"] = tier
    candidates = _items(read(response, "candidates"))
    reason = enum_name(read(candidates[0], "finish_reason")) if candidates else None
    blocked = enum_name(read(read(response, "prompt_feedback"), "block_reason"))
    if reason or blocked:
        found["finish_reason"] = reason or blocked
    return found


def enum_name(value: Any) -> str | None:
    """Return the name of an enum's member; None for none, or for the unset one."""
    name = getattr(value, "name", value)
    if not isinstance(name, str) or name.endswith("UNSPECIFIED"):
        return None
    return name


def _reason(response: Any) -> str | None:
    candidates = _items(read(response, "candidates"))
    return enum_name(read(candidates[0], "finish_reason")) if candidates else None


class Chunks:
    """Puts an answer together from the responses of a stream, each of which has a piece."""

    def __init__(self, options: Options) -> None:
        self.has_content = False
        self._options = options
        self._parts: list[Any] = []
        self._usage: Usage | None = None
        self._searches: dict[str, int] = {}
        #: Of the requests before this one, within the same stream.
        self._before: Usage | None = None
        self._ended = False
        self._metadata: dict[str, Any] = {}

    def add(self, piece: Any) -> bool:
        """Take one response; none is hidden."""
        parts = parts_of(piece)
        if parts:
            self.has_content = True
            self._parts += parts
        # Each figure is cumulative; the last response has the final ones.
        usage = of_google(read(piece, "usage_metadata"))
        if parts and self._ended:
            # The package has called a function and asked again: what follows is billed, too.
            self._before = added(self._before, self._usage)
            self._usage = None
        self._ended = bool(_reason(piece))
        if usage is not None:
            self._usage = usage
        self._searches = searches(piece) or self._searches
        self._metadata.update(metadata(piece))
        return False

    def answer(self) -> Answer:
        """Give what has been seen so far."""
        content, fields = told(self._parts, self._options)
        usage = added(self._before, self._usage)
        if usage is not None and self._searches:
            usage = usage._replace(tool_requests=self._searches)
        return Answer(content, usage, fields, self._metadata)

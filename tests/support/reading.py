"""How answers of providers are read, written plainly: what the compiled reading must agree with."""

from __future__ import annotations

import json
from typing import Any

from sentrial.wrappers import Usage

#: Stands for a member that is not there.
ABSENT: Any = object()


def read(value: object, name: str) -> Any:
    """Give a member of a dict or an attribute of an object; None where there is none."""
    if type(value) is dict:
        return value.get(name)
    fields = _attribute(value, "__dict__")
    if type(fields) is dict:
        if name in fields:
            return fields[name]
        extra = _attribute(value, "__pydantic_extra__") if fields else None
        if type(extra) is dict and name in extra:
            return extra[name]
    found = _attribute(value, name)
    return None if found is ABSENT else found


def _attribute(value: object, name: str) -> Any:
    """Give an attribute: one that raises is absent."""
    try:
        return getattr(value, name)
    except Exception:  # noqa: BLE001  a property of a foreign object
        return ABSENT


def of_type(value: Any, *kinds: type) -> bool:
    """Tell what an object is, without asking itself."""
    return issubclass(type(value), kinds)


def field(value: object, name: str) -> Any:
    """Give a member as `read` does, but without the properties of a model of pydantic's."""
    if type(value) is dict:
        return value.get(name)
    if value is None:
        return None
    extra = _attribute(value, "__pydantic_extra__")
    fields = _attribute(value, "__dict__")
    if (extra is None or type(extra) is dict) and type(fields) is dict:
        return extra[name] if extra and name in extra else fields.get(name)
    return read(value, name)


def first(value: object, *names: str) -> Any:
    """Give the first of several members that is not None."""
    return next((found for name in names if (found := field(value, name)) is not None), None)


def count(value: object, *names: str) -> int:
    """Give a count of tokens; what is none counts as zero."""
    found = first(value, *names)
    return found if type(found) is int and found > 0 else 0


def cut(whole: int, *parts: int) -> list[int]:
    """Give what is left of a whole, and its parts, cut so that the sum is the whole again."""
    left, cuts = whole, []
    for part in parts:
        cuts.append(min(part, left))
        left -= cuts[-1]
    return [left, *cuts]


def usage_of_openai(usage: Any) -> Usage | None:
    """Give the usage of OpenAI's APIs in disjoint buckets."""
    if usage is None:
        return None
    into = first(usage, "prompt_tokens_details", "input_tokens_details")
    out_of = first(usage, "completion_tokens_details", "output_tokens_details")
    prompt = count(usage, "prompt_tokens", "input_tokens")
    completion = count(usage, "completion_tokens", "output_tokens")
    total = count(usage, "total_tokens")
    reasoning = count(out_of, "reasoning_tokens")
    cached = count(into, "cached_tokens")
    cached = cached or count(usage, "prompt_cache_hit_tokens", "cached_tokens")
    if reasoning and total and total == prompt + completion + reasoning:
        completion += reasoning
    prompt, cached, written, heard = cut(
        prompt, cached, count(into, "cache_write_tokens"), count(into, "audio_tokens")
    )
    completion, reasoning, spoken = cut(completion, reasoning, count(out_of, "audio_tokens"))
    return Usage(prompt, cached, written, completion, reasoning, heard, spoken, total)


def usage_of_anthropic(usage: Any) -> Usage | None:
    """Give the usage of Anthropic's API in disjoint buckets."""
    if usage is None:
        return None
    thinking = count(field(usage, "output_tokens_details"), "thinking_tokens")
    output, thinking = cut(count(usage, "output_tokens"), thinking)
    return Usage(
        count(usage, "input_tokens"),
        count(usage, "cache_read_input_tokens"),
        count(usage, "cache_creation_input_tokens"),
        output,
        thinking,
    )


def usage_of_google(usage: Any) -> Usage | None:
    """Give the usage of Gemini in disjoint buckets."""
    if usage is None:
        return None
    prompt = count(usage, "prompt_token_count")
    candidates = count(usage, "candidates_token_count", "response_token_count")
    total = count(usage, "total_token_count")
    if not (prompt or candidates or total):
        return None
    thoughts = count(usage, "thoughts_token_count")
    from_tools = count(usage, "tool_use_prompt_token_count")
    if not thoughts and total:
        thoughts = max(0, total - prompt - candidates - from_tools)
    heard = _audio(field(usage, "prompt_tokens_details"))
    heard = max(0, heard - _audio(field(usage, "cache_tokens_details")))
    rest_in, cached, heard = cut(prompt, count(usage, "cached_content_token_count"), heard)
    rest_out, spoken = cut(candidates, _audio(field(usage, "candidates_tokens_details")))
    return Usage(rest_in + from_tools, cached, 0, rest_out, thoughts, heard, spoken, total)


def _audio(details: Any) -> int:
    items = details if of_type(details, list, tuple) else ()
    return sum(count(item, "token_count") for item in items if _is_audio(read(item, "modality")))


def _is_audio(modality: object) -> bool:
    value = _attribute(modality, "value")
    return bool((modality if value is ABSENT else value) == "AUDIO")


def identity(response: Any) -> dict[str, Any]:
    """Give what tells which answer it is."""
    told = {
        "response_id": field(response, "id"),
        "response_model": field(response, "model"),
        "request_id": field(response, "_request_id") or read(response, "_request_id"),
    }
    return {name: value for name, value in told.items() if of_type(value, str)}


def arguments(text: Any) -> Any:
    """Give a tool call's arguments as an object if they are valid JSON, else as they are."""
    try:
        return json.loads(text) if of_type(text, str) else text
    except ValueError:
        return text


Read = tuple[Any, "Usage | None", dict[str, Any], dict[str, Any]]


def chat_answer(response: Any, *, thinking: bool) -> Read:
    """Give content, usage, fields and metadata of a chat completion."""
    metadata = identity(response)
    usage = usage_of_openai(field(response, "usage"))
    choices = field(response, "choices")
    if not of_type(choices, list, tuple) or not choices:
        return "", usage, {}, metadata
    told = [_choice(choice, thinking=thinking) for choice in choices]
    content, fields, reason = told[0]
    if reason is not None:
        metadata["finish_reason"] = reason
    if len(told) > 1:
        fields["choices"] = [
            {"index": index, "content": text, "finish_reason": why, **others}
            for index, (text, others, why) in enumerate(told)
        ]
    return content, usage, fields, metadata


def _choice(choice: Any, *, thinking: bool) -> tuple[Any, dict[str, Any], Any]:
    message = field(choice, "message")
    content = field(message, "content")
    thoughts = next(
        (
            thought
            for name in ("reasoning_content", "reasoning")
            if of_type(thought := field(message, name), str)
        ),
        "",
    )
    refusal = field(message, "refusal")
    told = {
        "tool_calls": _tool_calls(message) or None,
        "refusal": refusal if of_type(refusal, str) else None,
        "thinking": (thinking and thoughts) or None,
        "parsed": field(message, "parsed"),
        "audio": _spoken(field(message, "audio")),
    }
    fields = {name: value for name, value in told.items() if value is not None}
    return "" if content is None else content, fields, field(choice, "finish_reason")


def _tool_calls(message: Any) -> list[Any]:
    calls = field(message, "tool_calls")
    told = [_tool_call(call) for call in calls] if of_type(calls, list, tuple) else []
    legacy = field(message, "function_call")
    if read(legacy, "name") is not None:
        told.append(_function(None, legacy))
    return told


def _tool_call(call: Any) -> dict[str, Any]:
    function = read(call, "function")
    if function is not None:
        return _function(read(call, "id"), function)
    custom = read(call, "custom")
    return {
        "id": read(call, "id"),
        "name": read(custom, "name"),
        "arguments": read(custom, "input"),
    }


def _function(call_id: Any, function: Any) -> dict[str, Any]:
    return {
        "id": call_id,
        "name": read(function, "name"),
        "arguments": arguments(read(function, "arguments")),
    }


def _spoken(audio: Any) -> dict[str, Any] | None:
    if read(audio, "transcript") is None:
        return None
    return {"id": read(audio, "id"), "transcript": read(audio, "transcript")}

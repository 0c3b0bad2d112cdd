"""`import sentrial`: cheap, without traces in the process, and with all it promises."""

from __future__ import annotations

import importlib
import inspect
import json
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sentrial
from sentrial import Interaction, SentrialClient

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import RunPython

# The parameters of 0.6.0. What we add comes after them or is keyword-only.
DOCUMENTED = {
    "configure": "api_key=None api_url=None fail_silently=True pii=None batching=None",
    "begin": "user_id event input=None event_id=None convo_id=None metadata=None",
    "SentrialClient": (
        "api_url=None api_key=None fail_silently=True langfuse=None pii=None batching=None"
    ),
    "SentrialClient.begin": "user_id event input=None event_id=None convo_id=None metadata=None",
    "SentrialClient.calculate_anthropic_cost": "model input_tokens output_tokens",
    "SentrialClient.calculate_google_cost": "model input_tokens output_tokens",
    "SentrialClient.calculate_openai_cost": "model input_tokens output_tokens",
    "SentrialClient.close": "",
    "SentrialClient.close_session": (
        "session_id duration_ms=None success=None failure_reason=None"
    ),
    "SentrialClient.complete_session": (
        "session_id success=True failure_reason=None estimated_cost=None custom_metrics=None "
        "duration_ms=None prompt_tokens=None completion_tokens=None total_tokens=None "
        "user_input=None assistant_output=None"
    ),
    "SentrialClient.create_session": (
        "name agent_name user_id parent_session_id=None convo_id=None metadata=None"
    ),
    "SentrialClient.flush": "",
    "SentrialClient.shutdown": "",
    "SentrialClient.track_decision": (
        "session_id reasoning alternatives=None confidence=None estimated_cost=0.0 "
        "token_count=None trace_id=None span_id=None metadata=None"
    ),
    "SentrialClient.track_error": (
        "session_id error_message error_type=None tool_name=None stack_trace=None "
        "trace_id=None span_id=None metadata=None"
    ),
    "SentrialClient.track_tool_call": (
        "session_id tool_name tool_input tool_output reasoning=None estimated_cost=0.0 "
        "tool_error=None token_count=None trace_id=None span_id=None metadata=None"
    ),
    "SentrialClient.update_state": "key value",
    "Interaction": "client session_id event_id user_id event langfuse_context=None",
    "Interaction.finish": (
        "output=None success=True failure_reason=None estimated_cost=None custom_metrics=None "
        "duration_ms=None prompt_tokens=None completion_tokens=None total_tokens=None"
    ),
    "Interaction.set_output": "output",
    "Interaction.track_decision": (
        "reasoning alternatives=None confidence=None estimated_cost=0.0 token_count=None "
        "metadata=None"
    ),
    "Interaction.track_error": (
        "error_message error_type=None tool_name=None stack_trace=None metadata=None"
    ),
    "Interaction.track_tool_call": (
        "tool_name tool_input tool_output reasoning=None estimated_cost=0.0 tool_error=None "
        "token_count=None metadata=None"
    ),
}
# `flush` has always been called without arguments; ours takes a limit.
ADDED_POSITIONS = {"SentrialClient.flush": ["timeout=30.0"]}


def printed(run_python: RunPython, code: str) -> Any:
    return json.loads(run_python(code, options=("-I", "-W", "error")).ok().stdout)


def test_importing_loads_next_to_nothing(run_python: RunPython) -> None:
    code = """
        import sys
        before = set(sys.modules)
        import sentrial
        loaded = sorted(set(sys.modules) - before)
        import json
        print(json.dumps(loaded))
    """
    assert set(printed(run_python, code)) <= {
        "__future__",
        "atexit",
        "sentrial",
        "sentrial._core",
        "sentrial._lifecycle",
        "sentrial._receipt",
        "sentrial.client",
        # Built into the interpreter; made at import so that no first call imports anything.
        "_contextvars",
        "gc",
    }


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="shown by /proc only")
@pytest.mark.parametrize(
    "action",
    [
        "",
        "sentrial.SentrialClient(api_key='sentrial_live_x')",
        "sentrial.configure('sentrial_live_x')",
    ],
)
def test_importing_and_constructing_leaves_no_thread_and_no_file_open(
    run_python: RunPython, action: str
) -> None:
    code = f"""
        import json, os
        def seen():
            # The folder being read is one of the files, under the same number unless one was kept.
            return {{name: sorted(os.listdir(f"/proc/self/{{name}}")) for name in ("fd", "task")}}
        before = seen()
        import sentrial
        kept = {action or None}
        print(json.dumps([before, seen()]))
    """
    before, after = printed(run_python, code)
    assert after == before
    assert len(after["task"]) == 1


def test_all_is_sorted_and_shown_by_dir() -> None:
    assert sentrial.__all__ == sorted(set(sentrial.__all__))
    assert dir(sentrial) == sorted(dir(sentrial))
    assert set(sentrial.__all__) <= set(dir(sentrial))


@pytest.mark.parametrize("name", sentrial.__all__)
def test_every_promised_name_is_there(name: str) -> None:
    assert getattr(sentrial, name) is not None


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'sentrial' has no attribute 'nothing'"):
        sentrial.nothing  # type: ignore[attr-defined]  # noqa: B018


@pytest.mark.parametrize("name", sentrial.__all__)
def test_every_class_says_where_to_import_it_from(name: str) -> None:
    value = getattr(sentrial, name)
    if not isinstance(value, type):
        return
    # A documented module or the package, never a private one.
    assert not value.__module__.partition(".")[2].startswith("_")
    assert getattr(importlib.import_module(value.__module__), name) is value
    assert value.__qualname__ == name
    if value in (SentrialClient, Interaction):
        assert value.__module__ == "sentrial.client"


def public(name: str) -> Iterator[tuple[str, Any]]:
    """Give what stands behind a public name: itself and, of a class, its public attributes."""
    value = getattr(sentrial, name)
    if not callable(value):
        return
    yield name, value
    if not isinstance(value, type):
        return
    for attribute, raw in vars(value).items():
        plain = raw.__func__ if isinstance(raw, (staticmethod, classmethod)) else raw
        described = callable(plain) or isinstance(plain, property) or inspect.isdatadescriptor(raw)
        if not attribute.startswith("_") and described and not isinstance(raw, Enum):
            yield f"{name}.{attribute}", raw if isinstance(raw, property) else plain


@pytest.mark.parametrize("name", sentrial.__all__)
def test_everything_public_has_a_docstring(name: str) -> None:
    for path, value in public(name):
        assert (getattr(value, "__doc__", None) or "").strip(), path


@pytest.mark.parametrize("name", sentrial.__all__)
def test_everything_public_has_a_signature(name: str) -> None:
    for path, value in public(name):
        # Python itself has none to show for a bare subclass of Exception.
        if callable(value) and getattr(value, "__init__", None) is not Exception.__init__:
            assert inspect.signature(value) is not None, path


@pytest.mark.parametrize("path", DOCUMENTED)
def test_parameters_have_the_documented_names_order_and_defaults(path: str) -> None:
    value: Any = sentrial
    for part in path.split("."):
        value = getattr(value, part)
    takes_self = inspect.ismethoddescriptor(value) and not isinstance(value, type)
    parameters = list(inspect.signature(value).parameters.values())[takes_self:]
    positional = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert all(p.kind is p.KEYWORD_ONLY for p in parameters[len(positional) :])

    shown = [p.name if p.default is p.empty else f"{p.name}={p.default!r}" for p in positional]
    documented = DOCUMENTED[path].split()
    for ours, theirs in zip(shown, documented, strict=False):
        # What was required may have got a default.
        assert ours == theirs or ("=" not in theirs and ours.startswith(f"{theirs}="))
    assert shown[len(documented) :] == ADDED_POSITIONS.get(path, [])
    assert len(shown) >= len(documented)

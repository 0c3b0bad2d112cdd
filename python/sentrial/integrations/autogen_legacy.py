"""The API of AutoGen 0.2: agents that receive messages, and a map of their functions."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

from sentrial.integrations.base import Hook, cut, quietly

if TYPE_CHECKING:
    from collections.abc import Callable

    from sentrial.integrations.autogen import SentrialAutogenHandler

__all__ = ["attach", "detach"]

_TEXT = 200
_OUTPUT = 500
_RECEIVERS = ("receive", "a_receive")


def attach(handler: SentrialAutogenHandler, agent: Any) -> bool:
    """Let an agent tell a handler what it receives and calls; False if it has not that API."""
    hook = Hook.on(agent, _RECEIVERS[0])
    if isinstance(hook, _AgentHook):
        hook.handler = handler
        hook.wrap_functions(agent)
        return True
    hook = _AgentHook(handler)
    wrapped = [
        hook.into(agent, name, functools.partial(hook.wrap_receiver, agent)) for name in _RECEIVERS
    ]
    if any(wrapped):
        hook.wrap_functions(agent)
    return any(wrapped)


def detach(agent: Any) -> None:
    """Take back what `attach` did."""
    hook = Hook.on(agent, _RECEIVERS[0])
    if isinstance(hook, _AgentHook):
        hook.undo()
        hook.unwrap_functions(agent)


class _AgentHook(Hook):
    """What stands in one agent."""

    handler: SentrialAutogenHandler

    def __init__(self, handler: SentrialAutogenHandler) -> None:
        super().__init__(handler)
        self._functions: dict[str, tuple[Any, Any]] = {}

    def wrap_receiver(self, agent: Any, receive: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap `receive` or `a_receive`: the message is recorded before it is received."""
        if inspect.iscoroutinefunction(receive):

            async def receive_async(message: Any, sender: Any, *args: Any, **kwargs: Any) -> Any:
                self._on_message(agent, message, sender)
                return await receive(message, sender, *args, **kwargs)

            return receive_async

        def receive_sync(message: Any, sender: Any, *args: Any, **kwargs: Any) -> Any:
            self._on_message(agent, message, sender)
            return receive(message, sender, *args, **kwargs)

        return receive_sync

    @quietly
    def wrap_functions(self, agent: Any) -> None:
        """Wrap the functions that the agent has by now."""
        functions = getattr(agent, "_function_map", None)
        if not isinstance(functions, dict):
            return
        for name, function in list(functions.items()):
            if callable(function) and self._functions.get(name, (None, None))[1] is not function:
                wrapper = self._wrapped_function(name, function)
                self._functions[name] = (function, wrapper)
                functions[name] = wrapper

    def unwrap_functions(self, agent: Any) -> None:
        """Put back the functions that nobody else has replaced since."""
        functions = getattr(agent, "_function_map", None) or {}
        for name, (function, wrapper) in self._functions.items():
            if functions.get(name) is wrapper:
                functions[name] = function
        self._functions.clear()

    def _wrapped_function(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def call_async(*args: Any, **kwargs: Any) -> Any:
                try:
                    result = await function(*args, **kwargs)
                except Exception as error:
                    self._on_call(name, args, kwargs, {"error": cut(error, _OUTPUT)}, error)
                    raise
                self._on_call(name, args, kwargs, {"result": cut(result, _OUTPUT)}, None)
                return result

            return call_async

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            try:
                result = function(*args, **kwargs)
            except Exception as error:
                self._on_call(name, args, kwargs, {"error": cut(error, _OUTPUT)}, error)
                raise
            self._on_call(name, args, kwargs, {"result": cut(result, _OUTPUT)}, None)
            return result

        return call

    @quietly
    def _on_message(self, agent: Any, message: Any, sender: Any) -> None:
        handler = self.handler
        content = _content(message)
        handler._begin()  # noqa: SLF001  one concept in two files
        handler.message_count += 1
        if handler.user_input is None:
            handler.user_input = content[:_OUTPUT]
        if content:
            handler.assistant_output = content
        handler._decision(f"{_name(sender)} -> {_name(agent)}", content or _calls(message))  # noqa: SLF001

    @quietly
    def _on_call(
        self,
        name: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        output: dict[str, Any],
        error: Exception | None,
    ) -> None:
        tool_input = {"args": cut(args, _OUTPUT), "kwargs": cut(kwargs, _OUTPUT)}
        self.handler._tool_call(name, tool_input, output, error, None)  # noqa: SLF001


def _name(agent: Any) -> str:
    return cut(getattr(agent, "name", None) or "unknown", _TEXT)


def _content(message: Any) -> str:
    content = message.get("content") if isinstance(message, dict) else message
    if isinstance(content, list):  # parts of a multi-modal message
        texts = [part.get("text") for part in content if isinstance(part, dict)]
        return "\n".join(text for text in texts if isinstance(text, str))
    return "" if content is None else str(content)


def _calls(message: Any) -> str:
    """Say what a message without text asks for."""
    if not isinstance(message, dict):
        return ""
    calls = [message.get("function_call"), *(message.get("tool_calls") or ())]
    functions = [call.get("function", call) if isinstance(call, dict) else None for call in calls]
    names = [str(function.get("name")) for function in functions if isinstance(function, dict)]
    return f"calls {', '.join(names)}" if names else ""

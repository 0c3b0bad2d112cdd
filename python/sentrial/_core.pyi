# Types of the extension module. The documentation of each name is in the module itself.
#
# Arguments that the documented SDK has are annotated as there, and wider where more is documented
# to be accepted. At run time the tracking calls take any value.

import os
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, TypedDict, final

from typing_extensions import Self, disjoint_base

from sentrial.async_client import AsyncSentrialClient
from sentrial.batcher import BatcherConfig
from sentrial.redact import PiiConfig

__all__ = [
    "PRICES_VERSION",
    "ContextNode",
    "CurrentSession",
    "FirstSession",
    "Interaction",
    "LocalServer",
    "Mirrored",
    "NativeWait",
    "Pending",
    "Redactor",
    "SentrialClient",
    "Wait",
    "Waits",
    "__version__",
    "add_usage",
    "after_fork_in_child",
    "after_fork_in_parent",
    "at_exit",
    "attach",
    "awaits_answers",
    "before_fork",
    "clear_session_context",
    "context_client",
    "context_variables",
    "current_interaction",
    "current_session",
    "deferred_client",
    "described",
    "flush_all",
    "flush_mirror",
    "get_session_context",
    "is_immediate",
    "is_plain",
    "keys_create",
    "keys_list",
    "keys_revoke",
    "make_current",
    "open_session",
    "prepare",
    "price_call",
    "price_cost",
    "price_lookup",
    "price_register",
    "release",
    "sessions_get",
    "sessions_list",
    "set_session_context",
    "spool_flush",
    "spool_folder",
    "spool_purge",
    "spool_status",
    "start_create_session",
    "start_flush",
    "start_get_session",
    "start_naming",
    "start_shutdown",
    "stats",
    "to_json",
    "watch_first_session",
    "written",
]

PRICES_VERSION: Final[str]
__version__: Final[str]

@disjoint_base
class SentrialClient:
    # What a call returns can be awaited in background delivery, but is a plain dict in the other
    # modes: the types promise only what always holds.

    def __init__(
        self,
        api_url: str | None = None,
        api_key: str | None = None,
        fail_silently: bool = True,
        langfuse: Any = None,
        pii: PiiConfig | dict[str, Any] | bool | None = None,
        batching: BatcherConfig | dict[str, Any] | bool | None = None,
        *,
        timeout: float | None = None,
        max_retries: int | None = None,
        wait_timeout: float | None = None,
        shutdown_timeout: float | None = None,
        shutdown_max: float | None = None,
        session_concurrency: int | None = None,
        max_state_bytes: int | None = None,
        max_event_bytes: int | None = None,
        spool: str | None = None,
        spool_dir: str | os.PathLike[str] | None = None,
        ca_file: str | os.PathLike[str] | None = None,
        proxy: str | None = None,
        allow_http: bool | None = None,
        project_id: str | None = None,
        redact_secrets: bool = True,
        deny_fields: Iterable[str] | None = None,
        keep_media: bool = False,
        before_send: Callable[[dict[str, Any]], dict[str, Any] | None] | None = None,
    ) -> None: ...
    @property
    def api_url(self) -> str: ...
    @property
    def api_key(self) -> str | None: ...
    @api_key.setter
    def api_key(self, key: str | None) -> None: ...
    @property
    def fail_silently(self) -> bool: ...
    @property
    def langfuse(self) -> Any: ...
    @property
    def pii(self) -> PiiConfig | bool | None: ...
    def redact(self, value: Any, kind: str = "event") -> Any: ...
    def redaction_report(self) -> dict[str, Any]: ...
    @property
    def session(self) -> None: ...
    @property
    def current_state(self) -> dict[str, Any]: ...
    @current_state.setter
    def current_state(self, state: dict[str, Any]) -> None: ...
    def update_state(self, key: str, value: Any) -> None: ...
    def create_session(
        self,
        name: str,
        agent_name: str | None = None,
        user_id: str | None = None,
        parent_session_id: str | None = None,
        convo_id: str | None = None,
        metadata: dict[str, Any] | None = None,
        *,
        project_id: str | None = None,
    ) -> str | None: ...
    def track_tool_call(
        self,
        session_id: str | Interaction,
        tool_name: str,
        tool_input: Any,
        tool_output: Any,
        reasoning: str | None = None,
        estimated_cost: float = 0.0,
        tool_error: dict[str, Any] | str | BaseException | None = None,
        token_count: int | None = None,
        trace_id: str | None = None,
        span_id: str | None = None,
        metadata: dict[str, Any] | None = None,
        *,
        duration_ms: float | None = None,
        status: str | None = None,
    ) -> dict[str, Any]: ...
    def track_decision(
        self,
        session_id: str | Interaction,
        reasoning: str,
        alternatives: list[str] | None = None,
        confidence: float | None = None,
        estimated_cost: float = 0.0,
        token_count: int | None = None,
        trace_id: str | None = None,
        span_id: str | None = None,
        metadata: dict[str, Any] | None = None,
        *,
        chosen: Any = None,
    ) -> dict[str, Any]: ...
    def track_error(
        self,
        session_id: str | Interaction,
        error_message: str,
        error_type: str | None = None,
        tool_name: str | None = None,
        stack_trace: str | None = None,
        trace_id: str | None = None,
        span_id: str | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> dict[str, Any]: ...
    def track_llm_call(
        self,
        session_id: str | Interaction,
        model: str,
        messages: Any = None,
        output: Any = None,
        *,
        provider: str | None = None,
        prompt_tokens: int | None = None,
        completion_tokens: int | None = None,
        estimated_cost: float | None = None,
        duration_ms: float | None = None,
        error: dict[str, Any] | str | BaseException | None = None,
        metadata: dict[str, Any] | None = None,
        usage: Any = None,
        output_fields: dict[str, Any] | None = None,
        trace_id: str | None = None,
        span_id: str | None = None,
        with_usage: bool = True,
    ) -> dict[str, Any]: ...
    def track_state_change(
        self,
        session_id: str | Interaction,
        changes: dict[str, Any],
        reasoning: str | None = None,
        *,
        trace_id: str | None = None,
        span_id: str | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> dict[str, Any]: ...
    # An EventType is a str.
    def track_event(
        self, session_id: str | Interaction, event_type: str, **fields: Any
    ) -> dict[str, Any]: ...
    def complete_session(
        self,
        session_id: str | Interaction,
        success: bool = True,
        failure_reason: str | None = None,
        estimated_cost: float | None = None,
        custom_metrics: dict[str, float] | None = None,
        duration_ms: int | None = None,
        prompt_tokens: int | None = None,
        completion_tokens: int | None = None,
        total_tokens: int | None = None,
        user_input: str | None = None,
        assistant_output: str | None = None,
        *,
        status: str | None = None,
        input: str | None = None,  # noqa: A002  the documented name
        output: str | None = None,
    ) -> dict[str, Any]: ...
    def close_session(
        self,
        session_id: str | Interaction,
        duration_ms: int | None = None,
        success: bool | None = None,
        failure_reason: str | None = None,
        *,
        status: str | None = None,
        summary: str | None = None,
    ) -> dict[str, Any]: ...
    def update_session(self, session_id: str | Interaction, **fields: Any) -> dict[str, Any]: ...
    def get_session(self, session_id: str | Interaction) -> dict[str, Any] | None: ...
    def begin(
        self,
        user_id: str,
        event: str,
        input: str | None = None,  # noqa: A002  the documented name
        event_id: str | None = None,
        convo_id: str | None = None,
        metadata: dict[str, Any] | None = None,
        *,
        parent_session_id: str | Interaction | CurrentSession | None = None,
    ) -> Interaction: ...
    def flush(self, timeout: float = 30.0) -> None: ...
    def shutdown(self) -> None: ...
    def close(self) -> None: ...
    def stats(self) -> dict[str, Any]: ...
    def _api_call(self, method: str, path: str, body: object = None) -> Any: ...
    @property
    def _masked_key(self) -> str | None: ...
    def _route(self) -> dict[str, Any]: ...
    def _api_probe(self, path: str) -> dict[str, Any]: ...
    @staticmethod
    def calculate_openai_cost(model: str, input_tokens: int, output_tokens: int) -> float: ...
    @staticmethod
    def calculate_anthropic_cost(model: str, input_tokens: int, output_tokens: int) -> float: ...
    @staticmethod
    def calculate_google_cost(model: str, input_tokens: int, output_tokens: int) -> float: ...
    def __enter__(self) -> Self: ...
    # Documented as bool. It is never True, and type checkers that know so see that the code after
    # a `with` block that returns cannot be reached.
    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> Literal[False]: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, memo: Any) -> Self: ...

@disjoint_base
class Interaction:
    def __new__(
        cls,
        client: SentrialClient,
        session_id: str | None,
        event_id: str,
        user_id: str,
        event: str,
        langfuse_context: Any = None,
    ) -> Self: ...
    def __init__(
        self,
        client: SentrialClient,
        session_id: str | None,
        event_id: str,
        user_id: str,
        event: str,
        langfuse_context: Any = None,
    ) -> None: ...
    @property
    def client(self) -> SentrialClient: ...
    @property
    def session_id(self) -> str | None: ...
    @property
    def event_id(self) -> str: ...
    @property
    def user_id(self) -> str: ...
    @property
    def event(self) -> str: ...
    def set_output(self, output: str) -> None: ...
    def track_tool_call(
        self,
        tool_name: str,
        tool_input: Any,
        tool_output: Any,
        reasoning: str | None = None,
        estimated_cost: float = 0.0,
        tool_error: dict[str, Any] | str | BaseException | None = None,
        token_count: int | None = None,
        metadata: dict[str, Any] | None = None,
        *,
        duration_ms: float | None = None,
        status: str | None = None,
    ) -> dict[str, Any]: ...
    def track_decision(
        self,
        reasoning: str,
        alternatives: list[str] | None = None,
        confidence: float | None = None,
        estimated_cost: float = 0.0,
        token_count: int | None = None,
        metadata: dict[str, Any] | None = None,
        *,
        chosen: Any = None,
    ) -> dict[str, Any]: ...
    def track_error(
        self,
        error_message: str,
        error_type: str | None = None,
        tool_name: str | None = None,
        stack_trace: str | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> dict[str, Any]: ...
    def finish(
        self,
        output: str | None = None,
        success: bool = True,
        failure_reason: str | None = None,
        estimated_cost: float | None = None,
        custom_metrics: dict[str, float] | None = None,
        duration_ms: int | None = None,
        prompt_tokens: int | None = None,
        completion_tokens: int | None = None,
        total_tokens: int | None = None,
    ) -> dict[str, Any]: ...
    def __enter__(self) -> Self: ...
    # See SentrialClient.
    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> Literal[False]: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, memo: Any) -> Self: ...

@final
class CurrentSession:
    @property
    def client(self) -> SentrialClient: ...
    @property
    def session_id(self) -> str | None: ...
    def track_tool_call(
        self,
        tool_name: str,
        tool_input: Any,
        tool_output: Any,
        *,
        metadata: dict[str, Any] | None = None,
    ) -> None: ...
    def track_llm_call(
        self,
        model: str,
        messages: Any = None,
        output: Any = None,
        provider: str | None = None,
        usage: Any = None,
        estimated_cost: float | None = None,
        duration_ms: float | None = None,
        error: dict[str, Any] | str | BaseException | None = None,
        metadata: dict[str, Any] | None = None,
        output_fields: dict[str, Any] | None = None,
        with_usage: bool = True,
    ) -> None: ...
    def track_error(
        self,
        error_message: str,
        error_type: str | None = None,
        tool_name: str | None = None,
        stack_trace: str | None = None,
        *,
        tool_input: Any = None,
        metadata: dict[str, Any] | None = None,
    ) -> None: ...

@final
class Mirrored:
    @property
    def kind(self) -> Literal["create", "event", "complete", "update"]: ...
    @property
    def session_key(self) -> int: ...
    @property
    def session_id(self) -> str | None: ...
    @property
    def is_lost(self) -> bool: ...
    @property
    def knows_rules(self) -> bool: ...
    @property
    def size(self) -> int: ...
    def body(self) -> bytes: ...

@final
class Pending:
    def wait(self) -> dict[str, Any] | None: ...
    def poll(self) -> dict[str, Any] | None: ...
    def waiting(self) -> Wait: ...

@final
class Wait:
    def is_over(self) -> bool: ...
    def remaining(self) -> float | None: ...
    def result(self) -> Any: ...
    def abandon(self) -> None: ...

@final
class Waits:
    def __new__(cls) -> Waits: ...
    def fileno(self) -> int | None: ...
    def is_ours(self) -> bool: ...
    def is_refused(self) -> bool: ...
    def add(self, wait: Wait) -> int | None: ...
    def forget(self, ticket: int) -> None: ...
    def look(self) -> list[int]: ...

@final
class NativeWait:
    def run(self) -> None: ...
    def look(self) -> bool: ...
    def stop(self) -> None: ...

@final
class FirstSession:
    @property
    def session_id(self) -> str | None: ...

@final
class ContextNode: ...

@final
class Redactor:
    def __new__(
        cls,
        pii: Any = None,
        *,
        redact_secrets: bool | None = None,
        deny_fields: Iterable[str] | None = None,
        keep_media: bool | None = None,
    ) -> Self: ...
    @staticmethod
    def lenient(config: Any) -> Redactor: ...
    def value(self, value: Any) -> Any: ...
    def seal(self, data: bytes, max_bytes: int = 1_048_576) -> bytes: ...
    def json(self, data: bytes, kind: str = "event") -> tuple[bytes, list[tuple[str, str]]]: ...

def current_session(default: Callable[[], SentrialClient]) -> CurrentSession | None: ...
def watch_first_session() -> FirstSession: ...
def open_session(
    client: SentrialClient,
    name: str,
    *,
    agent_name: str | None = None,
    user_id: Any = None,
    parent_session_id: str | Interaction | None = None,
    convo_id: str | None = None,
    metadata: dict[str, Any] | None = None,
) -> Interaction: ...
def context_variables() -> tuple[ContextVar[Any], ContextVar[Any]]: ...
def current_interaction() -> Interaction | None: ...
def make_current(interaction: Interaction) -> None: ...
def attach(session_id: str, client: SentrialClient) -> None: ...
def context_client() -> SentrialClient | None: ...
def get_session_context() -> str | None: ...
def set_session_context(
    session_id: str | None, client: SentrialClient | AsyncSentrialClient | None = None
) -> None: ...
def clear_session_context() -> None: ...
def stats() -> dict[str, Any]: ...
def flush_all(timeout: float) -> None: ...
def prepare() -> None: ...
def release(client: SentrialClient) -> None: ...
def before_fork() -> None: ...
def after_fork_in_parent() -> None: ...
def after_fork_in_child() -> None: ...
def at_exit(elapsed: float = 0.0) -> None: ...
def price_call(
    provider: str | None,
    model: str,
    usage: Any,
    metadata: dict[str, Any],
    at: int | None = None,
) -> tuple[float | None, list[str]]: ...
def price_cost(
    provider: str | None,
    model: str,
    counts: tuple[int, ...],
    at: int | None,
    context: dict[str, str] | None,
) -> float | None: ...
def price_lookup(
    provider: str | None, model: str, at: int | None, context: dict[str, str] | None
) -> tuple[str, str, dict[str, float]] | None: ...
def price_register(provider: str | None, model: str, rates: dict[str, str]) -> None: ...
def described(value: object) -> str: ...
def to_json(value: object, max_bytes: int = 1_048_576) -> bytes: ...

class _Key(TypedDict):
    id: str
    name: str
    environment: str
    masked: str
    created_at: str
    last_used_at: str | None
    revoked_at: str | None

class _CreatedKey(_Key):
    key: str

@final
class LocalServer:
    def __new__(cls, db: str | os.PathLike[str], port: int = 3001) -> LocalServer: ...
    @property
    def port(self) -> int: ...
    @property
    def url(self) -> str: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...

class _SpoolGroup(TypedDict):
    url: str
    key: str
    fingerprint: str
    requests: int
    bytes: int
    age: float

class _SpoolFile(TypedDict):
    path: str
    state: str
    error: str | None
    groups: list[_SpoolGroup]

def spool_status(spool_dir: str | None = None) -> list[_SpoolFile]: ...
def spool_folder(spool_dir: str | None = None) -> Path: ...
def spool_purge(spool_dir: str | None = None, key: str | None = None) -> int: ...
def spool_flush(client: SentrialClient, key: str | None, timeout: float) -> bool: ...
def keys_create(db: str | os.PathLike[str], name: str, env: str = "live") -> _CreatedKey: ...
def keys_list(db: str | os.PathLike[str]) -> list[_Key]: ...
def keys_revoke(db: str | os.PathLike[str], name_or_id: str) -> _Key: ...
def sessions_list(
    db: str | os.PathLike[str],
    agent: str | None = None,
    user: str | None = None,
    status: str | None = None,
    since: str | None = None,
    limit: int = 50,
    key_id: str | None = None,
) -> str: ...
def sessions_get(db: str | os.PathLike[str], id: str) -> str: ...  # noqa: A002  as at run time
def awaits_answers(client: SentrialClient) -> bool: ...
def deferred_client() -> SentrialClient: ...
def start_create_session(
    client: SentrialClient,
    name: str,
    agent_name: str | None,
    user_id: str | None,
    parent_session_id: str | None,
    convo_id: str | None,
    metadata: dict[str, Any] | None,
    project_id: str | None,
) -> Wait | None: ...
def start_get_session(client: SentrialClient, session_id: str) -> Wait | None: ...
def start_flush(client: SentrialClient, timeout: float | None) -> Wait | None: ...
def flush_mirror(client: SentrialClient, timeout: float) -> None: ...
def start_shutdown(client: SentrialClient) -> Wait | None: ...
def start_naming(interaction: Interaction) -> Wait: ...
def add_usage(
    client: SentrialClient,
    session_id: str | Interaction,
    *,
    prompt_tokens: float | None = None,
    completion_tokens: float | None = None,
    cost: float | None = None,
) -> None: ...
def is_immediate(client: SentrialClient) -> bool: ...
def is_plain(value: object) -> bool: ...
def written(value: Any) -> Any: ...

"""The client and the module-level functions that use the default one."""

from __future__ import annotations

import sys
import time

from sentrial import _core
from sentrial._core import Interaction, SentrialClient

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable
    from typing import Any

    from sentrial.batcher import BatcherConfig
    from sentrial.integrations.langfuse import LangfuseIntegration
    from sentrial.redact import PiiConfig

__all__ = [
    "BACKOFF_MULTIPLIER",
    "INITIAL_BACKOFF_SECONDS",
    "MAX_BACKOFF_SECONDS",
    "MAX_RETRIES",
    "RETRYABLE_STATUS_CODES",
    "Interaction",
    "SentrialClient",
    "begin",
    "close",
    "configure",
    "flush",
    "shutdown",
]

MAX_RETRIES = 3
"""Retries of a blocking call, unless ``max_retries`` says otherwise."""
INITIAL_BACKOFF_SECONDS = 0.5
"""Seconds of pause before the first retry of a blocking call."""
MAX_BACKOFF_SECONDS = 8.0
"""Seconds of the longest pause between the attempts of a blocking call."""
BACKOFF_MULTIPLIER = 2.0
"""By what the pause grows from one retry to the next."""
RETRYABLE_STATUS_CODES = {408, 425, 429, 500, 502, 503, 504}
"""Statuses after which a request is tried again (5xx except 501 and 505 as well)."""

_default: SentrialClient | None = None
_configured: SentrialClient | None = None
"""The client of the last `configure`; the default async client is made like it."""


def _get_client() -> SentrialClient:
    """Return the default client, made from the environment on first use.

    It never raises: a configuration that cannot be used gives one warning and a client that does
    nothing until `configure` is called.
    """
    global _default  # noqa: PLW0603  the default client is this module's one piece of state
    if _default is None:
        from sentrial.exceptions import SentrialError

        try:
            _default = SentrialClient()
        except SentrialError as error:
            from sentrial import _log

            _log.emit([(30, f"nothing is recorded: {error}")])
            _default = SentrialClient.__new__(SentrialClient)
    return _default


def configure(
    api_key: str | None = None,
    api_url: str | None = None,
    fail_silently: bool = True,
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
    langfuse: LangfuseIntegration | None = None,
) -> None:
    """Replace the default client; returns at once.

    What the old default client has queued is delivered with the old key, unless that key was
    refused (401) and the address is the same: then the new key is used. Interactions begun before
    keep working on their client. The options are those of `SentrialClient`.

    Raises:
        ConfigurationError: An argument, or a key or address from the environment, cannot be used.
    """
    global _default, _configured  # noqa: PLW0603
    new = SentrialClient(
        api_url,
        api_key,
        fail_silently,
        langfuse,
        pii,
        batching,
        timeout=timeout,
        max_retries=max_retries,
        wait_timeout=wait_timeout,
        shutdown_timeout=shutdown_timeout,
        shutdown_max=shutdown_max,
        session_concurrency=session_concurrency,
        max_state_bytes=max_state_bytes,
        max_event_bytes=max_event_bytes,
        spool=spool,
        spool_dir=spool_dir,
        ca_file=ca_file,
        proxy=proxy,
        allow_http=allow_http,
        project_id=project_id,
        redact_secrets=redact_secrets,
        deny_fields=deny_fields,
        keep_media=keep_media,
        before_send=before_send,
    )
    old = _default
    _default = _configured = new
    if old is not None:
        _hand_over(old, new)


def _hand_over(old: SentrialClient, new: SentrialClient) -> None:
    if old.api_url == new.api_url and old.stats()["state"] == "paused":
        old.api_key = new.api_key
    _core.release(old)


def begin(
    user_id: str,
    event: str,
    input: str | None = None,  # noqa: A002  the documented name
    event_id: str | None = None,
    convo_id: str | None = None,
    metadata: dict[str, Any] | None = None,
    *,
    parent_session_id: str | Interaction | None = None,
) -> Interaction:
    """Begin an interaction on the default client; see `SentrialClient.begin`."""
    return _get_client().begin(
        user_id,
        event,
        input,
        event_id,
        convo_id,
        metadata,
        parent_session_id=parent_session_id,
    )


def flush(timeout: float = 30.0) -> None:
    """Wait until everything recorded so far, on every client, is delivered.

    Args:
        timeout: Seconds to wait at most; default 30. Clients whose server is down are not waited
            for.

    Raises:
        SentrialError: The first failure since the last flush, if the default client is loud and
            batches.
    """
    started = time.monotonic()
    _core.flush_all(timeout)
    mirror = sys.modules.get("sentrial._mirror")
    if mirror is not None:
        mirror.flush(max(0.0, timeout - (time.monotonic() - started)))
    if _default is not None:
        _default.flush(0)


def shutdown() -> None:
    """Deliver what is queued, waiting as the end of the process would."""
    if _default is not None:
        _default.shutdown()


def close() -> None:
    """Do the same as `shutdown`; a later call starts delivery again."""
    shutdown()


def _restore(cls: type[SentrialClient], options: dict[str, Any]) -> SentrialClient:
    """Unpickle a client: its options, with the key from the environment."""
    return cls(**options)

"""Whether a server accepts a key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sentrial._core import SentrialClient

_SETTINGS = "/api/sdk/pii-config"
_SESSIONS = "/api/sdk/sessions"


@dataclass(frozen=True)
class Acceptance:
    """What a server said to a key.

    Attributes:
        accepted: Whether it accepts the key; None if that could not be found out.
        detail: What it said, or what stood in the way.
        seconds: How long the first answer took.
        server_time: The server's clock in seconds since 1970; None if it did not say.
    """

    accepted: bool | None
    detail: str
    seconds: float
    server_time: float | None


def acceptance(client: SentrialClient) -> Acceptance:
    """Ask the server; nothing is recorded there."""
    from sentrial.exceptions import APIError, NotFoundError

    probe = client._api_probe(_SETTINGS)
    error = probe["error"]
    if isinstance(error, NotFoundError):
        # A server without that endpoint, which is not documented.
        error = _answer_to_an_empty_session(client)
    accepted: bool | None = None
    detail = str(error)
    if error is None:
        accepted, detail = True, "the key is accepted"
    elif isinstance(error, APIError) and error.status_code in (401, 403):
        accepted = False
    return Acceptance(accepted, detail, probe["seconds"], probe["server_time"])


def _answer_to_an_empty_session(client: SentrialClient) -> Exception | None:
    """Return why a session without a name was refused, None if it was for the missing name."""
    from sentrial.exceptions import BadRequestError, SentrialError

    try:
        client._api_call("POST", _SESSIONS, {})
    except BadRequestError:
        return None
    except SentrialError as error:
        return error
    return None

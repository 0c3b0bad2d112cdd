"""The exceptions of the SDK.

Tracking calls raise them only when asked to be loud (``fail_silently=False``); configuration errors
are always raised. ::

    SentrialError
    ├── ConfigurationError (ValueError)
    ├── APIError
    │   ├── BadRequestError          400, 413, 422
    │   ├── AuthenticationError      401, or no key at all
    │   ├── PermissionDeniedError    403
    │   ├── NotFoundError            404
    │   ├── RateLimitError           429
    │   └── ServerError              5xx
    └── APIConnectionError (ConnectionError)
        └── APITimeoutError (TimeoutError)

No message, ``repr`` or attribute contains the API key.
"""

from __future__ import annotations

__all__ = [
    "APIConnectionError",
    "APIError",
    "APITimeoutError",
    "AuthenticationError",
    "BadRequestError",
    "ConfigurationError",
    "NotFoundError",
    "PermissionDeniedError",
    "RateLimitError",
    "SentrialError",
    "ServerError",
    "from_status",
]

_UNAUTHORIZED = 401
_TOO_MANY_REQUESTS = 429
_SERVER_ERRORS = range(500, 600)


class SentrialError(Exception):
    """Base of everything the SDK raises."""


class ConfigurationError(SentrialError, ValueError):
    """An argument, option or environment variable that cannot be used.

    Attributes:
        parameter: The name of the parameter, for example ``"timeout"``.
        message: What is wrong with it and what to do.
    """

    parameter: str
    message: str

    def __init__(self, parameter: str, message: str) -> None:
        super().__init__(parameter, message)
        self.parameter = parameter
        self.message = message

    def __str__(self) -> str:
        return f"{self.parameter}: {self.message}"


class APIError(SentrialError):
    """The API answered with an error status.

    Attributes:
        status_code: The HTTP status.
        error: The short name of the error, for example ``"Unauthorized"``; None if not given.
        message: What the API said, on one line.
        body: The decoded JSON body, or its text where it is not JSON; None if it was empty.
        request_id: The id of the request at the server; None if not given.
    """

    status_code: int
    error: str | None
    message: str
    body: object
    request_id: str | None

    def __init__(
        self,
        status_code: int,
        error: str | None = None,
        message: str = "",
        body: object = None,
        request_id: str | None = None,
    ) -> None:
        # All arguments go into args, so that copying and pickling call this signature again.
        super().__init__(status_code, error, message, body, request_id)
        self.status_code = status_code
        self.error = error
        self.message = message
        self.body = body
        self.request_id = request_id

    def __str__(self) -> str:
        name = f" {self.error}" if self.error else ""
        said = f": {self.message}" if self.message and self.message != self.error else ""
        request = f" (request {self.request_id})" if self.request_id else ""
        hint = "; check SENTRIAL_API_KEY" if self.status_code == _UNAUTHORIZED else ""
        return f"the Sentrial API answered {self.status_code}{name}{said}{request}{hint}"

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(status_code={self.status_code!r}, error={self.error!r}, "
            f"message={self.message!r}, request_id={self.request_id!r})"
        )


class BadRequestError(APIError):
    """400, 413 or 422: the API does not accept this request; trying again does not help."""


class AuthenticationError(APIError):
    """401: the API key is missing, malformed or revoked.

    Also raised, before anything is sent, when there is no key; ``body`` is then None.
    """


class PermissionDeniedError(APIError):
    """403: the API key has no access to this resource."""


class NotFoundError(APIError):
    """404: there is no such session or resource."""


class RateLimitError(APIError):
    """429: too many requests.

    Attributes:
        retry_after: Seconds the API asked to wait; None if it did not say.
    """

    retry_after: float | None

    def __init__(
        self,
        status_code: int = _TOO_MANY_REQUESTS,
        error: str | None = None,
        message: str = "",
        body: object = None,
        request_id: str | None = None,
        *,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(status_code, error, message, body, request_id)
        self.retry_after = retry_after

    def __str__(self) -> str:
        wait = "" if self.retry_after is None else f"; try again in {self.retry_after:g} s"
        return super().__str__() + wait


class ServerError(APIError):
    """5xx: the API failed."""


class APIConnectionError(SentrialError, ConnectionError):
    """The API could not be reached, or the connection broke before an answer came.

    Attributes:
        message: The cause in words.
    """

    message: str

    def __init__(self, message: str = "could not reach the Sentrial API") -> None:
        # One argument only: with two, OSError would take them for errno and strerror.
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        return self.message


class APITimeoutError(APIConnectionError, TimeoutError):
    """The API did not answer in time.

    Attributes:
        message: Which limit was reached, in words.
    """

    def __init__(self, message: str = "the Sentrial API did not answer in time") -> None:
        super().__init__(message)


_BY_STATUS: dict[int, type[APIError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    413: BadRequestError,
    422: BadRequestError,
}


def from_status(
    status: int,
    error: str | None = None,
    message: str = "",
    body: bytes | None = None,
    *,
    request_id: str | None = None,
    retry_after: float | None = None,
) -> APIError:
    """Make the exception for an answer.

    Args:
        status: The HTTP status of the answer.
        error: The short name of the error in the body.
        message: The message in the body.
        body: The body as received, already without the key.
        request_id: The id of the request at the server.
        retry_after: Seconds the API asked to wait.

    Returns:
        An instance of the class for that status; a plain `APIError` for a status without one.
    """
    decoded = _decoded(body)
    if status == _TOO_MANY_REQUESTS:
        return RateLimitError(status, error, message, decoded, request_id, retry_after=retry_after)
    general = ServerError if status in _SERVER_ERRORS else APIError
    return _BY_STATUS.get(status, general)(status, error, message, decoded, request_id)


def _decoded(body: bytes | None) -> object:
    if not body:
        return None
    import json  # not needed unless an error is raised

    text = body.decode("utf-8", "replace")
    try:
        decoded: object = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return decoded

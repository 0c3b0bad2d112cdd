"""The attributes of exceptions, and which builtins they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sentrial
from sentrial import exceptions
from typing_extensions import assert_type

if TYPE_CHECKING:
    from collections.abc import Callable


def caught(call: Callable[[], object]) -> None:
    try:
        call()
    except sentrial.RateLimitError as error:
        assert_type(error.retry_after, float | None)
        assert_type(error.status_code, int)
    except sentrial.APIError as error:
        assert_type(error.status_code, int)
        assert_type(error.error, str | None)
        assert_type(error.message, str)
        assert_type(error.body, object)
        assert_type(error.request_id, str | None)
    except sentrial.APITimeoutError as error:
        assert_type(error.message, str)
    except sentrial.ConfigurationError as error:
        assert_type(error.parameter, str)
        assert_type(error.message, str)
    except sentrial.SentrialError as error:
        assert_type(error, sentrial.SentrialError)


def builtin() -> None:
    as_value: ValueError = sentrial.ConfigurationError("timeout", "cannot be negative")
    as_connection: ConnectionError = sentrial.APIConnectionError()
    as_timeout: TimeoutError = sentrial.APITimeoutError()
    raise as_value from (as_connection or as_timeout)


def made() -> None:
    assert_type(exceptions.from_status(404, body=b"{}"), sentrial.APIError)
    classes: list[type[sentrial.APIError]] = [
        sentrial.AuthenticationError,
        sentrial.BadRequestError,
        sentrial.NotFoundError,
        sentrial.PermissionDeniedError,
        sentrial.RateLimitError,
        sentrial.ServerError,
    ]
    assert_type(classes[0](500), sentrial.APIError)

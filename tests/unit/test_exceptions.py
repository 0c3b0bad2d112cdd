"""The tree of exceptions: which class for which status, readable and picklable."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys

import pytest
from sentrial import exceptions
from sentrial.exceptions import (
    APIConnectionError,
    APIError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    SentrialError,
    ServerError,
    from_status,
)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, BadRequestError),
        (401, AuthenticationError),
        (403, PermissionDeniedError),
        (404, NotFoundError),
        (409, APIError),
        (413, BadRequestError),
        (422, BadRequestError),
        (429, RateLimitError),
        (302, APIError),
        (500, ServerError),
        (503, ServerError),
        (599, ServerError),
    ],
)
def test_each_status_has_its_class(status: int, expected: type[APIError]) -> None:
    error = from_status(status, "E", "said", b'{"error": "E"}', request_id="req_1", retry_after=2.5)
    assert type(error) is expected
    assert (error.status_code, error.error, error.message) == (status, "E", "said")
    assert error.body == {"error": "E"}
    assert error.request_id == "req_1"
    assert f"answered {status} E: said (request req_1)" in str(error)


@pytest.mark.parametrize(
    ("body", "decoded"),
    [(None, None), (b"", None), (b"oops", "oops"), (b"\xff", "\ufffd"), (b"[1]", [1])],
)
def test_a_body_is_decoded_as_far_as_possible(body: bytes | None, decoded: object) -> None:
    assert from_status(500, body=body).body == decoded


@pytest.mark.parametrize(
    "error",
    [
        SentrialError("plain"),
        ConfigurationError("timeout", "cannot be -1; pass a number above 0"),
        from_status(401, "Unauthorized", "Invalid or missing API key", b"{}", request_id="req_1"),
        from_status(429, "Too Many Requests", "slow down", retry_after=1.5),
        APIError(418),
        APIConnectionError("connection refused"),
        APITimeoutError("no answer within 30 s"),
        APITimeoutError(),
    ],
)
def test_errors_survive_pickling_and_copying(error: SentrialError) -> None:
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):  # noqa: S301
        assert type(twin) is type(error)
        assert str(twin) == str(error)
        assert vars(twin) == vars(error)


def test_builtin_bases() -> None:
    assert issubclass(ConfigurationError, ValueError)
    assert issubclass(APIConnectionError, ConnectionError)
    assert issubclass(APITimeoutError, APIConnectionError)
    assert issubclass(APITimeoutError, TimeoutError)
    for name in exceptions.__all__:
        thing = getattr(exceptions, name)
        if isinstance(thing, type):
            assert issubclass(thing, SentrialError)
            assert thing.__doc__


def test_messages_say_what_to_do() -> None:
    assert str(ConfigurationError("timeout", "cannot be 0")) == "timeout: cannot be 0"
    unauthorized = from_status(401, "Unauthorized", "Invalid or missing API key")
    assert str(unauthorized) == (
        "the Sentrial API answered 401 Unauthorized: Invalid or missing API key; "
        "check SENTRIAL_API_KEY"
    )
    limited = from_status(429, "Slow", "Slow", retry_after=1.5)
    assert isinstance(limited, RateLimitError)
    assert limited.retry_after == 1.5
    assert str(limited) == "the Sentrial API answered 429 Slow; try again in 1.5 s"
    assert str(APITimeoutError()) == "the Sentrial API did not answer in time"


def test_repr_leaves_the_body_out() -> None:
    error = from_status(400, "Bad Request", "name is required", b"a long body")
    assert repr(error) == (
        "BadRequestError(status_code=400, error='Bad Request', message='name is required', "
        "request_id=None)"
    )


def test_the_module_loads_nothing_slow() -> None:
    code = (
        "import sys; import sentrial.exceptions; "
        "print(sorted({'asyncio', 'dataclasses', 'inspect', 'logging'}"
        " & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"

"""Which server a command talks to, and with which key: option, environment, stored by login."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sentrial.cli import config

if TYPE_CHECKING:
    import argparse

DEFAULT_URL = "https://api.sentrial.com"

_OPTION = "option"
_ENVIRONMENT = "environment"
_FILE = "sentrial login"
_DEFAULT = "default"


@dataclass(frozen=True)
class Connection:
    """A server and a key, and where each was found.

    Attributes:
        url: The API's address.
        url_source: ``option``, ``environment``, ``sentrial login`` or ``default``.
        key: The API key, or None.
        key_source: As for the address; None without a key.
        unused: Why the stored key is not used; None if it is, or if there is none.
    """

    url: str
    url_source: str
    key: str | None = field(repr=False)
    key_source: str | None
    unused: str | None = None

    def required_key(self) -> str:
        """Return the key.

        Raises:
            ValueError: There is none; the message says what to do.
        """
        if self.key is None:
            hint = self.unused or "no API key"
            raise ValueError(f"{hint}; run `sentrial login`, or set SENTRIAL_API_KEY")
        return self.key

    def export(self) -> None:
        """Let the clients of this process, an agent's among them, use the same server and key."""
        os.environ["SENTRIAL_API_URL"] = self.url
        os.environ["SENTRIAL_API_KEY"] = self.required_key()


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--api-url`` and ``--api-key``."""
    parser.add_argument(
        "--api-url",
        metavar="URL",
        help="the API's address (default: SENTRIAL_API_URL, then the one stored with the key, then "
        f"{DEFAULT_URL})",
    )
    parser.add_argument(
        "--api-key",
        metavar="KEY",
        help="the API key (default: SENTRIAL_API_KEY, then the one of `sentrial login`); others on "
        "this machine can see options, so prefer the environment",
    )


def of(options: argparse.Namespace) -> Connection:
    """Return the connection that options, environment and the stored file ask for.

    Raises:
        ValueError: The stored file cannot be understood.
    """
    stored = config.read()
    key, key_source = _first(
        (options.api_key, _OPTION), (os.environ.get("SENTRIAL_API_KEY"), _ENVIRONMENT)
    )
    if key is None:
        key, key_source = _first((stored.get("api_key"), _FILE))
    else:
        # Address and key are stored as a pair: a key from elsewhere is not for that address.
        stored = {}
    url, url_source = _first(
        (options.api_url, _OPTION),
        (os.environ.get("SENTRIAL_API_URL"), _ENVIRONMENT),
        (stored.get("api_url"), _FILE),
    )
    url = (url or DEFAULT_URL).rstrip("/")
    unused = None
    stored_for = stored.get("api_url", DEFAULT_URL).rstrip("/")
    if key_source == _FILE and stored_for != url:
        # Nor does the stored key go to another server because a variable points there.
        unused = f"the key of `sentrial login` is for {stored_for}, not for {url}"
        key = key_source = None
    return Connection(url, url_source or _DEFAULT, key, key_source, unused)


def _first(*found: tuple[str | None, str | None]) -> tuple[str | None, str | None]:
    """Return the first value that is not blank, and its source."""
    for value, source in found:
        if value is not None and value.strip():
            return value.strip(), source
    return None, None

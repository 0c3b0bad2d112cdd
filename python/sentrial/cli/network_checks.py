"""The way to the server, step by step: name, connection, TLS, directly or to the proxy."""

from __future__ import annotations

import socket
import ssl
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sentrial.cli.checks import Finding, failed, ok, skipped, warning

if TYPE_CHECKING:
    from collections.abc import Iterator

_TIMEOUT = 5.0
_PORTS = {"http": 80, "https": 443}
_SOON = 14 * 24 * 3600
_EXPIRED = 10
# Of a name, and of an address.
_WRONG_NAMES = (62, 64)


@dataclass(frozen=True)
class Target:
    """A host and port to reach, and whether TLS is spoken there."""

    host: str
    port: int
    tls: bool

    @classmethod
    def of(cls, url: str) -> Target:
        """Return where a URL points to."""
        parts = urlsplit(url)
        return cls(
            parts.hostname or "", parts.port or _PORTS[parts.scheme], parts.scheme == "https"
        )


def network(url: str, route: dict[str, Any]) -> Iterator[Finding]:
    """Check the way to ``url``, or to the proxy that stands before it."""
    target = Target.of(url)
    proxy = route["proxy"]
    if proxy is not None:
        yield ok("proxy", f"requests go through {proxy}")
    else:
        yield ok("proxy", route["passed"] or "none is configured")
    where = target if proxy is None else Target.of(proxy)
    addresses, finding = _resolved(where)
    yield finding
    if not addresses:
        yield skipped("connection", "there is no address")
        yield skipped("tls", "there is no connection")
        return
    connection, finding = _connected(where)
    yield finding
    if connection is None:
        yield skipped("tls", "there is no connection")
        return
    with connection:
        if proxy is not None:
            yield skipped("tls", "the proxy stands before the server; see the check of the key")
        elif not target.tls:
            yield skipped("tls", "the address is plain http")
        else:
            yield _encrypted(connection, target.host, route["ca_file"])


def _resolved(target: Target) -> tuple[list[str], Finding]:
    started = time.perf_counter()
    try:
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        advice = "check the spelling of the host, and the name server of this machine"
        return [], failed("dns", f"{target.host} does not resolve: {_why(error)}", advice)
    addresses = sorted({str(entry[4][0]) for entry in found})
    took = _milliseconds(started)
    return addresses, ok("dns", f"{target.host} is {', '.join(addresses)} ({took})")


def _connected(target: Target) -> tuple[socket.socket | None, Finding]:
    started = time.perf_counter()
    try:
        connection = socket.create_connection((target.host, target.port), _TIMEOUT)
    except OSError as error:
        advice = "check that the server runs and that a firewall lets this machine reach it"
        if "refused" in _why(error).lower():
            advice = f"nothing listens there; check the port, {target.port}"
        where = f"{target.host} port {target.port}"
        return None, failed("connection", f"{where} cannot be reached: {_why(error)}", advice)
    took = _milliseconds(started)
    return connection, ok("connection", f"{target.host} port {target.port} answers ({took})")


def _encrypted(connection: socket.socket, host: str, ca_file: str | None) -> Finding:
    started = time.perf_counter()
    try:
        context = ssl.create_default_context(cafile=ca_file)
        with context.wrap_socket(connection, server_hostname=host) as secure:
            certificate: dict[str, Any] = dict(secure.getpeercert() or {})
            version = secure.version()
    except ssl.SSLCertVerificationError as error:
        return failed("tls", f"the certificate is refused: {error.verify_message}", _cure(error))
    except (OSError, ValueError) as error:
        advice = "check that the server speaks https on this port"
        return failed("tls", f"no secure connection: {_why(error)}", advice)
    issuer = _issuer(certificate)
    expires = str(certificate.get("notAfter", ""))
    detail = f"{version}, issued by {issuer}, valid until {expires} ({_milliseconds(started)})"
    if expires and ssl.cert_time_to_seconds(expires) - time.time() < _SOON:
        return warning(
            "tls", detail, "the server's certificate expires soon; its operator must act"
        )
    return ok("tls", detail)


def _cure(error: ssl.SSLCertVerificationError) -> str:
    if error.verify_code == _EXPIRED:
        return "the server's certificate has expired, or the clock of this machine is wrong"
    if error.verify_code in _WRONG_NAMES:
        return "the certificate is for another host; check the address"
    return (
        "the authority is not known here; if your organisation inspects TLS or runs the server, "
        "set SSL_CERT_FILE or ca_file to the PEM file of its authority"
    )


def _issuer(certificate: dict[str, Any]) -> str:
    names = {key: value for part in certificate.get("issuer", ()) for key, value in part}
    return str(names.get("organizationName") or names.get("commonName") or "an unnamed authority")


def _why(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)


def _milliseconds(started: float) -> str:
    return f"{(time.perf_counter() - started) * 1000:.0f} ms"

"""Certificates as people make them for a server of their own, given as ``ca_file``."""

from __future__ import annotations

import datetime as dt
import shutil
import ssl
import subprocess
from typing import TYPE_CHECKING

import pytest
import sentrial
import trustme

from tests.support.collector import Collector
from tests.support.sdk import loud

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not here")

RSA = ["-newkey", "rsa:2048"]
P384 = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp384r1"]
P521 = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp521r1"]
NAMES = ["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
NO_AUTHORITY = ["-addext", "basicConstraints=critical,CA:FALSE"]


def made(folder: Path, *options: str) -> Path:
    """Make a self-signed certificate, whose key is beside it."""
    cert = folder / "server.pem"
    command = ["openssl", "req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    files = ["-keyout", str(cert.with_suffix(".key")), "-out", str(cert)]
    subprocess.run([*command, *files, *options], check=True, capture_output=True)
    return cert


def context_of(cert: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, cert.with_suffix(".key"))
    return context


KINDS = {
    "of an authority": [*RSA, *NAMES],
    "of a server": [*RSA, *NAMES, *NO_AUTHORITY],
    "P-384": [*P384, *NAMES],
    "P-521": [*P521, *NAMES],
    "P-521 of a server": [*P521, *NAMES, *NO_AUTHORITY],
    "P-521 with SHA-256": [*P521, *NAMES, "-sha256"],
}


TLS_1_2 = ["of an authority", "of a server", "P-384"]


@pytest.mark.parametrize(
    ("kind", "version"),
    [
        *((kind, ssl.TLSVersion.TLSv1_3) for kind in KINDS),
        *((kind, ssl.TLSVersion.TLSv1_2) for kind in TLS_1_2),
    ],
)
def test_the_servers_own_certificate_is_trusted(
    tmp_path: Path, kind: str, version: ssl.TLSVersion
) -> None:
    cert = made(tmp_path, *KINDS[kind])
    context = context_of(cert)
    context.maximum_version = version
    with Collector(ssl_context=context) as server:
        for url in (server.url, server.url_by_name):
            assert loud(url, ca_file=cert).track_decision("s", "r")["sessionId"] == "s"


def test_what_a_p_521_key_needs_is_told(tmp_path: Path) -> None:
    cert = made(tmp_path, *P521, *NAMES)
    context = context_of(cert)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with (
        Collector(ssl_context=context) as server,
        pytest.raises(sentrial.APIConnectionError, match=r"with a P-521 key TLS 1\.3"),
    ):
        loud(server, ca_file=cert).track_decision("s", "r")


def refusal(cert: Path, ca_file: Path) -> str:
    with Collector(ssl_context=context_of(cert)) as server:
        with pytest.raises(sentrial.APIConnectionError) as caught:
            loud(server, ca_file=ca_file).track_decision("s", "r")
        assert server.requests() == []
    told = str(caught.value)
    assert not set("{}[]") & set(told), told
    assert "Error(" not in told, told
    return told


def test_another_certificate_of_an_authority_is_not_trusted(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    cert = made(tmp_path / "one", *RSA, *NAMES)
    other = made(tmp_path / "other", *RSA, *NAMES)
    told = refusal(cert, other)
    assert "ca_file" in told


def test_its_own_certificate_must_name_the_host(tmp_path: Path) -> None:
    cert = made(tmp_path, *RSA, "-addext", "subjectAltName=DNS:other.example")
    told = refusal(cert, cert)
    assert 'not valid for name "127.0.0.1"' in told


def test_its_own_certificate_must_not_have_expired(tmp_path: Path) -> None:
    past = dt.datetime(2001, 1, 1, tzinfo=dt.timezone.utc)
    issued = trustme.CA().issue_cert("127.0.0.1", not_before=past, not_after=past)
    cert = tmp_path / "server.pem"
    issued.cert_chain_pems[0].write_to_path(str(cert))
    issued.private_key_pem.write_to_path(str(cert.with_suffix(".key")))
    assert "has expired" in refusal(cert, cert)


def test_a_certificate_whose_authority_is_unknown_is_trusted_by_itself(tmp_path: Path) -> None:
    issued = trustme.CA().issue_cert("127.0.0.1")
    cert = tmp_path / "server.pem"
    issued.cert_chain_pems[0].write_to_path(str(cert))
    issued.private_key_pem.write_to_path(str(cert.with_suffix(".key")))
    with Collector(ssl_context=context_of(cert)) as server:
        assert loud(server, ca_file=cert).track_decision("s", "r")["sessionId"] == "s"

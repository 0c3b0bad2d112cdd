"""``sentrial doctor``: each thing that can be wrong is found, and said without the key."""

from __future__ import annotations

import datetime as dt
import json
import ssl
import time
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from tests.process.scripts import run_script
from tests.security.forward_proxy import ForwardProxy
from tests.support.answers import Answer
from tests.support.collector import Collector
from tests.support.sdk import KEY

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.helpers import Cli
    from tests.conftest import RunPython
    from tests.support.local_server import LocalServer

CHECKS = ["versions", "frameworks", "address", "key", "proxy", "dns", "connection", "tls"]
CHECKS += ["acceptance", "clock", "spool"]


def examine(cli: Cli, exit: int | None = None, **variables: str) -> dict[str, Any]:  # noqa: A002
    """Run it; give the findings by their names."""
    done = cli("doctor", "--json", **variables)
    told = json.loads(done.stdout)
    assert done.stderr == ""
    assert KEY not in done.stdout
    assert told["ok"] is (done.exit == 0)
    assert done.exit in (0, 1)
    assert exit is None or done.exit == exit, told
    findings: dict[str, Any] = {check["name"]: check for check in told["checks"]}
    for check in findings.values():
        # Whatever is wrong, it says what to do.
        assert (check["status"] in ("failed", "warning")) == bool(check["advice"]), check
    return findings


def of(server: Collector | str, **more: str) -> dict[str, str]:
    url = server if isinstance(server, str) else server.url
    return {"SENTRIAL_API_URL": url, "SENTRIAL_API_KEY": KEY, **more}


def test_all_is_well_with_the_local_server(local_cli: Cli, local_server: LocalServer) -> None:
    found = examine(local_cli, 0)
    assert list(found) == CHECKS
    for name in CHECKS:
        if name != "frameworks":
            wanted = "skipped" if name == "tls" else "ok"
            assert found[name]["status"] == wanted, found[name]
    assert "accepted" in found["acceptance"]["detail"]
    done = local_cli("doctor").ok()
    assert done.stdout.endswith("Everything works.\n")
    assert local_server.key not in done.stdout
    # Nothing is recorded.
    assert local_server.sessions() == []


def test_it_reads_on_any_terminal(local_cli: Cli) -> None:
    done = local_cli("doctor", PYTHONIOENCODING="ascii", PYTHONUTF8="0", LC_ALL="C").ok()
    assert done.stdout.isascii()


def test_a_revoked_key(local_cli: Cli, local_server: LocalServer) -> None:
    local_server.cli("keys", "revoke", "docs").ok()
    found = examine(local_cli, 1)
    assert found["acceptance"]["status"] == "failed"
    assert "401" in found["acceptance"]["detail"]
    assert "new key" in found["acceptance"]["advice"]
    assert found["clock"]["status"] == "ok"


def test_no_key(cli: Cli, collector: Collector) -> None:
    found = examine(cli, 1, SENTRIAL_API_URL=collector.url)
    assert (found["key"]["status"], found["key"]["detail"]) == ("failed", "there is none")


def test_no_key_for_a_server_elsewhere_asks_nobody(cli: Cli) -> None:
    found = examine(cli, 1, SENTRIAL_API_URL="https://nowhere.invalid")
    assert found["key"]["status"] == "failed"
    assert found["acceptance"]["status"] == "skipped"


def test_a_key_of_another_shape(cli: Cli, collector: Collector) -> None:
    found = examine(cli, 0, SENTRIAL_API_URL=collector.url, SENTRIAL_API_KEY="sk-0123456789abcdef")
    assert found["key"]["status"] == "warning"
    assert "sk-0123456789abcdef" not in json.dumps(found)


@pytest.mark.parametrize("key", ["two words", "sentrial_live_é"])
def test_a_key_that_cannot_be_sent(cli: Cli, collector: Collector, key: str) -> None:
    found = examine(cli, 1, SENTRIAL_API_URL=collector.url, SENTRIAL_API_KEY=key)
    assert found["address"]["status"] == "failed"
    assert "api_key" in found["address"]["detail"]


@pytest.mark.parametrize("url", ["ftp://a.test", "nonsense", "http://public.example.com"])
def test_an_address_that_cannot_be_used(cli: Cli, url: str) -> None:
    found = examine(cli, 1, **of(url))
    assert found["address"]["status"] == "failed"
    assert "api_url" in found["address"]["detail"]


def test_a_name_that_does_not_resolve(cli: Cli) -> None:
    found = examine(cli, 1, **of("https://nowhere.invalid"))
    assert found["dns"]["status"] == "failed"
    assert found["connection"]["status"] == found["tls"]["status"] == "skipped"
    assert found["acceptance"]["status"] == "failed"


def test_a_port_where_nothing_listens(cli: Cli, refusing: str) -> None:
    found = examine(cli, 1, **of(refusing))
    assert found["dns"]["status"] == "ok"
    assert found["connection"]["status"] == "failed"
    assert "nothing listens" in found["connection"]["advice"]


@pytest.mark.parametrize("status", [500, 503])
def test_a_server_with_a_problem(cli: Cli, collector: Collector, status: int) -> None:
    collector.always("GET", ".*", status)
    found = examine(cli, 1, **of(collector))
    assert found["acceptance"]["status"] == "failed"
    assert "try again later" in found["acceptance"]["advice"]


@pytest.mark.parametrize(("seconds", "status"), [(5, "ok"), (120, "warning"), (-120, "warning")])
def test_the_clock(cli: Cli, collector: Collector, seconds: int, status: str) -> None:
    date = formatdate(time.time() + seconds, usegmt=True)
    collector.always("GET", ".*", Answer(json={"config": None}, headers={"Date": date}))
    found = examine(cli, 0, **of(collector))
    assert found["clock"]["status"] == status
    if status == "warning":
        assert ("behind" if seconds > 0 else "ahead of") in found["clock"]["detail"]


def test_a_server_that_does_not_tell_the_time(cli: Cli, collector: Collector) -> None:
    assert examine(cli, 0, **of(collector))["clock"]["status"] == "skipped"


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


def serving(certificate: trustme.LeafCert) -> Collector:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return Collector(ssl_context=context)


def test_tls(cli: Cli, authority: trustme.CA, tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    with serving(authority.issue_cert("127.0.0.1")) as server:
        found = examine(cli, 0, **of(server, SSL_CERT_FILE=str(file)))
        assert found["tls"]["status"] == "ok"
        assert "valid until" in found["tls"]["detail"]
        unknown = examine(cli, 1, **of(server))
        assert unknown["tls"]["status"] == unknown["acceptance"]["status"] == "failed"
        assert "SSL_CERT_FILE" in unknown["tls"]["advice"]


def test_tls_of_another_host_or_time(cli: Cli, authority: trustme.CA, tmp_path: Path) -> None:
    file = str(tmp_path / "ca.pem")
    authority.cert_pem.write_to_path(file)
    with serving(authority.issue_cert("other.test")) as server:
        found = examine(cli, 1, **of(server, SSL_CERT_FILE=file))
        assert "another host" in found["tls"]["advice"]
    now = dt.datetime.now(dt.timezone.utc)
    expired = authority.issue_cert("127.0.0.1", not_after=now - dt.timedelta(days=1))
    with serving(expired) as server:
        found = examine(cli, 1, **of(server, SSL_CERT_FILE=file))
        assert "expired" in found["tls"]["advice"]
    soon = authority.issue_cert("127.0.0.1", not_after=now + dt.timedelta(days=3))
    with serving(soon) as server:
        found = examine(cli, 0, **of(server, SSL_CERT_FILE=file))
        assert found["tls"]["status"] == "warning"


def test_plain_http_on_the_tls_port(cli: Cli, collector: Collector) -> None:
    found = examine(cli, 1, **of(collector.url.replace("http:", "https:")))
    assert found["tls"]["status"] == "failed"


def test_a_disabled_client(cli: Cli, collector: Collector) -> None:
    found = examine(cli, 1, **of(collector, SENTRIAL_DISABLED="1"))
    assert found["switch"]["status"] == "failed"
    assert collector.requests() == []


def test_the_key_of_login_is_not_that_of_programs(cli: Cli, collector: Collector) -> None:
    cli("login", "--no-check", "--api-url", collector.url, stdin=KEY).ok()
    found = examine(cli, 0)
    assert found["key"]["status"] == "warning"
    assert "set SENTRIAL_API_KEY" in found["key"]["advice"]
    (cli.home / ".sentrial" / "config.json").chmod(0o644)
    assert "others can read" in examine(cli, 0)["key"]["advice"]


def test_frameworks_that_are_too_old(cli: Cli, collector: Collector) -> None:
    packages = cli.folder / "packages"
    for name, version in (("crewai", "0.1.0"), ("langfuse", "99.1")):
        information = packages / f"{name}-{version}.dist-info"
        information.mkdir(parents=True)
        (information / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
    found = examine(cli, 0, **of(collector, PYTHONPATH=str(packages)))["frameworks"]
    assert found["status"] == "warning"
    assert "crewai 0.1.0 (older than 0.28)" in found["detail"]
    assert "langfuse 99.1" in found["detail"]
    assert found["advice"] == "pip install -U 'sentrial[crewai]'"


def test_a_damaged_file_of_login(cli: Cli, collector: Collector) -> None:
    cli("login", "--no-check", "--api-url", collector.url, stdin=KEY).ok()
    (cli.home / ".sentrial" / "config.json").write_text("{")
    found = examine(cli, 1)
    assert found["key"]["status"] == "failed"
    assert "sentrial logout" in found["key"]["advice"]


def test_a_spool_that_cannot_be_used(cli: Cli, collector: Collector, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    link = tmp_path / "link"
    link.symlink_to(tmp_path)
    loose = tmp_path / "loose"
    loose.mkdir()
    loose.chmod(0o777)
    for folder, said in (
        (file, "is not a folder"),
        (link, "is a symbolic link"),
        (loose, "open to other users"),
        (file / "below", "Not a directory"),
    ):
        found = examine(cli, 0, **of(collector, SENTRIAL_SPOOL_DIR=str(folder)))
        assert found["spool"]["status"] == "warning"
        assert said in found["spool"]["detail"]
    found = examine(cli, 0, **of(collector, SENTRIAL_SPOOL="off"))
    assert found["spool"]["status"] == "skipped"
    found = examine(cli, 0, **of(collector, SENTRIAL_SPOOL="durable"))
    assert found["spool"]["detail"].startswith("durable, in ")


def test_the_spool_check_makes_nothing_and_says_what_waits(
    cli: Cli, collector: Collector, refusing: str, run_python: RunPython, tmp_path: Path
) -> None:
    folder = tmp_path / "a" / "spool"
    found = examine(cli, 0, **of(collector, SENTRIAL_SPOOL_DIR=str(folder)))
    assert found["spool"]["detail"] == f"spill, in {folder}; nothing waits"
    assert not folder.parent.exists()
    code = "call(SentrialClient(shutdown_timeout=0.1), 't', 's')"
    run_script(run_python, refusing, code, SENTRIAL_SPOOL_DIR=str(folder))
    found = examine(cli, 0, **of(collector, SENTRIAL_SPOOL_DIR=str(folder)))
    assert "; 1 requests wait (see `sentrial spool status`)" in found["spool"]["detail"]
    (folder / "x.db").write_text("no database " * 100)
    found = examine(cli, 0, **of(collector, SENTRIAL_SPOOL_DIR=str(folder)))
    assert found["spool"]["detail"].endswith("; 1 files cannot be read")


def test_a_proxy_is_named_without_its_password(cli: Cli, refusing: str) -> None:
    proxy = refusing.replace("http://", "http://user:secret@")
    found = examine(cli, 1, **of("https://api.sentrial.com", HTTPS_PROXY=proxy))
    assert found["proxy"]["detail"] == f"requests go through {refusing}"
    assert found["connection"]["status"] == "failed"
    assert "secret" not in json.dumps(found)
    found = examine(
        cli, 1, **of("https://nowhere.invalid", HTTPS_PROXY=proxy, NO_PROXY="a.test, .invalid")
    )
    assert "NO_PROXY excepts this host" in found["proxy"]["detail"]


def test_a_proxy_that_works(cli: Cli, collector: Collector) -> None:
    with ForwardProxy(collector.port) as proxy:
        found = examine(cli, 0, **of("http://sentrial.internal", HTTP_PROXY=proxy.url))
    assert found["proxy"]["detail"] == f"requests go through {proxy.url}"
    assert found["acceptance"]["status"] == "ok"
    # Plain http to another machine.
    assert found["address"]["status"] == "warning"

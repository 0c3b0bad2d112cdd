"""Values of a hundred megabytes, and what is found in them, whatever is cut away."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any

import pytest

from tests.delivery.helpers import client_of, settled

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.collector import Collector

SECRET = "sk-proj-abcDEF1234567890abcdef"  # noqa: S105  made up
TEXT = f"word a@b.co and {SECRET} and (415) 555-0137 are here and some more words"
COUNT = 100_000_000 // len(TEXT) + 1

SHAPES: dict[str, Callable[[], Any]] = {
    "text": lambda: TEXT * COUNT,
    "bytes": lambda: TEXT.encode() * COUNT,
    "list": lambda: [TEXT] * COUNT,
    "key": lambda: {TEXT * COUNT: 1},
    "keys": lambda: {f"{TEXT} {n}": n for n in range(COUNT)},
    "escapes": lambda: '"\\\n' * 25_000_000 + TEXT,
    "beyond ASCII": lambda: f"é{TEXT}" * COUNT,
    "lone surrogates": lambda: f"\ud83d {TEXT}" * COUNT,
    "JSON": lambda: f'[{{"x": "{TEXT}"}}' + f', "{TEXT}"' * COUNT + "]",
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_hundred_megabytes_arrive_cut_and_redacted(collector: Collector, shape: str) -> None:
    made = client_of(collector, pii={})
    made.track_tool_call("s", "t", {"big": SHAPES[shape]()}, {"small": "kept"})
    stats = settled(made, 30)
    assert (stats["delivered"], stats["dropped"]) == (1, {})
    (request,) = collector.requests()
    assert len(request.body) <= 1_048_576
    assert request.json["toolOutput"] == {"small": "kept"}
    for planted in (b"a@b.co", b"abcDEF1234567890", b"555-0137"):
        assert planted not in request.body


RAW = bytes(range(256)) * 80_000
PICTURE = RAW[:700_000]
MEDIA: dict[str, tuple[Callable[[bytes], Any], str]] = {
    "data URL": (
        lambda raw: "data:image/png;base64," + base64.b64encode(raw).decode(),
        "image/png",
    ),
    "base64": (lambda raw: base64.b64encode(raw).decode(), "application/octet-stream"),
    "base64 in lines": (lambda raw: base64.encodebytes(raw).decode(), "application/octet-stream"),
    "bytes": (bytes, "application/octet-stream"),
}


@pytest.mark.parametrize("shape", MEDIA)
@pytest.mark.parametrize("raw", [PICTURE, RAW], ids=["a picture", "twenty megabytes"])
def test_binary_values_are_told_by_size_and_if_they_can_be_read_in_time_by_digest(
    collector: Collector, shape: str, raw: bytes
) -> None:
    form, kind = MEDIA[shape]
    made = client_of(collector)
    made.track_tool_call("s", "t", {"image": {"url": form(raw)}}, {"small": "kept"})
    settled(made, 30)
    (body,) = collector.events()
    digest = f" sha256={hashlib.sha256(raw).hexdigest()}" if raw is PICTURE else ""
    expected = f"[MEDIA type={kind} bytes={len(raw)}{digest}]"
    assert body["toolInput"] == {"image": {"url": expected}}
    assert body["toolOutput"] == {"small": "kept"}


def test_several_pictures_of_one_call_are_all_told(collector: Collector) -> None:
    made = client_of(collector)
    pictures = [base64.b64encode(PICTURE + bytes([n])).decode() for n in range(4)]
    made.track_tool_call("s", "t", {"images": pictures}, {})
    settled(made, 30)
    (body,) = collector.events()
    assert [image.count("sha256=") for image in body["toolInput"]["images"]] == [1] * 4

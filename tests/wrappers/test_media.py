"""Images and other media in messages: told by type, size and hash, and never touched."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest
from sentrial.wrappers._values import Passing, written

PNG = b"\x89PNG" + bytes(range(256)) * 4
TEXT = base64.b64encode(PNG).decode()
TOLD = {"type": "image/png", "bytes": len(PNG), "sha256": hashlib.sha256(PNG).hexdigest()}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{TEXT}"}},
            {"type": "image_url", "image_url": {"url": TOLD}},
        ),
        (
            {"type": "base64", "media_type": "image/png", "data": TEXT},
            {"type": "base64", "media_type": "image/png", "data": TOLD},
        ),
        ({"mime_type": "image/png", "data": PNG}, {"mime_type": "image/png", "data": TOLD}),
        ({"file": {"file_data": TEXT}}, {"file": {"file_data": TOLD}}),
        (PNG, TOLD),
        (bytearray(PNG), TOLD),
    ],
)
def test_media_in_the_shapes_of_the_providers(given: Any, expected: Any) -> None:
    messages = [{"role": "user", "content": [given]}]
    assert written(messages) == [{"role": "user", "content": [expected]}]
    assert messages == [{"role": "user", "content": [given]}]


@pytest.mark.parametrize(
    "plain",
    [
        [{"role": "user", "content": "hi"}],
        "data: not a picture",
        "data:text/plain," + "x" * 500,
        {"data": "a sentence that is long but no base64, with blanks and commas. " * 9},
        {"data": "short"},
        ("a", 1, None, 2.5, True),
        {"data": {"nested": TEXT}},
    ],
)
def test_what_holds_no_media_is_the_same_object(plain: Any) -> None:
    assert written(plain) is plain


def test_broken_base64_stays_text() -> None:
    broken = "data:image/png;base64," + "A" * 501
    assert written(broken) == broken


def test_a_list_that_holds_itself_ends() -> None:
    loop: list[Any] = [PNG]
    loop.append(loop)
    assert written(loop)[0] == TOLD


def test_objects_of_the_packages() -> None:
    types = pytest.importorskip("google.genai.types")
    part = types.Part.from_bytes(data=PNG, mime_type="image/png")
    told = written({"parts": [part, types.Part(text="hi")]})
    assert told["parts"][0] == {"inline_data": {"data": TOLD, "mime_type": "image/png"}}
    assert told["parts"][1].text == "hi"


def test_pictures_are_not_decoded() -> None:
    class Image:
        __module__ = "PIL.Image"
        format = "PNG"
        size = (2, 3)
        mode = "RGB"

        def tobytes(self) -> bytes:
            raise AssertionError("decodes the picture")

    assert written(Image()) == {"type": "image/png", "size": (2, 3), "mode": "RGB"}


def test_an_iterator_is_read_by_whom_it_was_given_to() -> None:
    source = iter([1, 2, 3])
    passing = Passing(source)
    assert written(passing) == []
    assert next(passing) == 1
    assert written(passing) == [1]
    assert list(source) == [2, 3]

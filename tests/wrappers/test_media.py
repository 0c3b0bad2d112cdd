"""Images and other media in messages: told by type, size and hash, and never touched."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sentrial._core import is_plain
from sentrial.wrappers._media import rewritten
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


class Key(str):
    """Equal to a text, but not exactly one."""

    __slots__ = ()


names = st.sampled_from(
    ["role", "content", "data", "file_data", "image_data", "mime_type", "é", 1, None, Key("data")]
)


def built_of(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves,
        lambda inside: st.one_of(
            st.lists(inside, max_size=3),
            st.lists(inside, max_size=3).map(tuple),
            st.dictionaries(names, inside, max_size=4),
        ),
        max_leaves=12,
    )


PLAIN = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.sampled_from(["", "data:", "data:image/png;base64,", "x" * 256, "é" * 256, "\ud800" * 9]),
)
OTHERS = st.sampled_from(
    [
        "x" * 257,
        "\ud800" * 300,
        "é" * 300,
        TEXT,
        f"data:image/png;base64,{TEXT}",
        "data:," + "x" * 300,
        PNG,
        b"",
        bytearray(b"x"),
        memoryview(PNG),
        Key("data:" + "x" * 300),
    ]
)


@settings(max_examples=500, deadline=None)
@given(
    built_of(st.one_of(PLAIN, OTHERS)),
    st.integers(0, 14),
    st.sampled_from([list, tuple, lambda items: {"a": items[0]}]),
)
def test_what_is_plain_would_be_written_as_it_is(value: Any, depth: int, wrap: Any) -> None:
    for _ in range(depth):
        value = wrap([value])
    expected = rewritten(value)
    if is_plain(value):
        assert expected is value
    assert written(value) == expected


@settings(max_examples=200, deadline=None)
@given(built_of(PLAIN))
def test_short_texts_and_numbers_are_plain(value: Any) -> None:
    assert is_plain(value)
    assert written(value) is value


@pytest.mark.parametrize("length", [255, 256, 257])
@pytest.mark.parametrize("name", ["data", "file_data", "image_data", "text", Key("data"), 3])
def test_the_length_from_which_text_is_looked_at(length: int, name: Any) -> None:
    for text in (("QUJD" * 99)[:length], ("data:" + "A" * 500)[:length]):
        value = [{name: text}]
        assert is_plain(value) <= (rewritten(value) is value)
        assert is_plain(value) or length > 256
    assert is_plain([{name: ("é " * 300)[:length]}]) or (length > 256 and name != "text")


@pytest.mark.parametrize("name", ["data", "file_data", "image_data"])
def test_the_shortest_media_of_each_kind(name: str) -> None:
    shortest = "QUJD" * 64 + "\n"
    url = "data:;base64," + "QUJD" * 61
    assert (len(shortest), len(url)) == (257, 257)
    assert written({name: shortest})[name]["bytes"] == 192
    assert written({"text": shortest}) == {"text": shortest}
    assert written({"text": url})["text"]["bytes"] == written([url])[0]["bytes"] == 183
    assert written(url)["bytes"] == 183
    assert is_plain([{name: shortest[:-1]}, url[:-1]])


def test_a_conversation_is_plain() -> None:
    """What nearly every call is given takes the short way."""
    conversation = [
        {"role": "system", "content": "You are helpful. " * 100},
        {"role": "user", "content": [{"type": "text", "text": "é" * 1000}, None, 1, 2.5, True]},
        {"role": "assistant", "tool_calls": [{"function": {"arguments": "{}" * 300}}]},
    ]
    assert is_plain(conversation)
    assert is_plain("é" * 1000)

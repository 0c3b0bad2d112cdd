"""The functions of `sentrial.redact`, with the documented names and results."""

from __future__ import annotations

import re
import warnings
from typing import Any

import pytest
from sentrial import PiiBuiltinPatterns, PiiConfig, PiiCustomPattern
from sentrial.redact import redact_payload, redact_string, redact_value


def test_values_keep_their_keys_and_their_types() -> None:
    nested = {"a@b.co": ["a@b.co", ("a@b.co",), b"a@b.co", 4155551234, None, True]}
    redacted = redact_value(nested, "label", PiiBuiltinPatterns(), [])
    assert redacted == {"a@b.co": ["[EMAIL]", ("a@b.co",), b"a@b.co", 4155551234, None, True]}
    assert nested["a@b.co"][0] == "a@b.co"


def test_secrets_are_not_their_business() -> None:
    text = "password=1 sk-proj-abcDEF1234567890abcdef"
    assert redact_string(text, "label", PiiBuiltinPatterns(), []) == text


def test_custom_patterns_see_what_the_ones_before_have_left() -> None:
    custom = [PiiCustomPattern("EMAIL", "ONE"), PiiCustomPattern("ONE", "TWO")]
    assert redact_string("a@b.co", "label", PiiBuiltinPatterns(), custom) == "[[[TWO]]]"
    empty = [PiiCustomPattern("x*", "-")]
    assert redact_string("ab", "label", PiiBuiltinPatterns(), empty) == "[-]a[-]b[-]"


def test_an_invalid_pattern_raises_the_documented_error() -> None:
    with pytest.raises(re.error, match="position 0"):
        redact_string("x", "label", PiiBuiltinPatterns(), [PiiCustomPattern("(", "L")])


def test_a_payload_that_need_not_change_is_the_same_object() -> None:
    payload = {"userInput": "a@b.co"}
    assert redact_payload(payload, PiiConfig()) is payload
    assert redact_payload(payload, PiiConfig(enabled=True)) == {"userInput": "[EMAIL]"}


def test_depth_is_bounded() -> None:
    deep: Any = "a@b.co"
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(RecursionError):
        redact_value(deep, "label", PiiBuiltinPatterns(), [])


@pytest.mark.parametrize(
    ("pattern", "text", "redacted"),
    [
        (r"(?<=id )\d+(?! ok)", "id 12 id 34 ok", "id [L] id [L]4 ok"),
        (r"(?P<q>['\"]).*?(?P=q)", "say 'a' or \"b\"", "say [L] or [L]"),
        (r"(?i:secret)\Z", "SECRET secret", "SECRET [L]"),
        (r"(?x) \d{,3} \s [[a] # comment (", "12 [", "[L]"),
        (r"\N{GREEK SMALL LETTER ALPHA}+", "ααβ", "[L]β"),
        (r"^\d+$", "12\n", "[L]\n"),
    ],
)
def test_patterns_have_the_syntax_of_re(pattern: str, text: str, redacted: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        custom = [PiiCustomPattern(pattern, "L")]
        off = PiiBuiltinPatterns(False, False, False, False, False)
        assert redact_string(text, "label", off, custom) == redacted
        assert re.sub(pattern, "[L]", text) == redacted

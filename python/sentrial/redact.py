"""What is redacted before data leaves the process."""
# The annotations are part of the documented signatures, so they keep the spelling of `typing`.
# ruff: noqa: UP006, UP035, UP045

from dataclasses import dataclass
from typing import List, Optional

__all__ = ["PiiBuiltinPatterns", "PiiConfig", "PiiCustomPattern"]

_FIELDS = (
    "user_input",
    "assistant_output",
    "userInput",
    "assistantOutput",
    "tool_input",
    "tool_output",
    "toolInput",
    "toolOutput",
    "metadata",
    "reasoning",
)


@dataclass
class PiiCustomPattern:
    """A pattern of your own.

    Attributes:
        pattern: A regular expression in the syntax of `re`; every match is replaced.
        label: The word that stands for a match, in mode ``"label"`` as ``[label]``.
    """

    pattern: str
    label: str


@dataclass
class PiiBuiltinPatterns:
    """Which of the built-in patterns are searched for; all by default.

    Attributes:
        emails: E-mail addresses.
        phones: Telephone numbers.
        ssns: US social security numbers.
        credit_cards: Card numbers.
        ip_addresses: IP addresses.
    """

    emails: bool = True
    phones: bool = True
    ssns: bool = True
    credit_cards: bool = True
    ip_addresses: bool = True


@dataclass
class PiiConfig:
    """What is redacted, and how.

    Attributes:
        enabled: Whether anything is redacted. Default False.
        fields: The names of the fields to redact. None stands for the documented ten: inputs,
            outputs, metadata and reasoning, in both spellings.
        mode: ``"label"`` (the default) replaces a match by a word such as ``[EMAIL]``, ``"hash"``
            by a short digest, ``"remove"`` by nothing.
        enhanced_detection: Accepted for compatibility. Default False.
        builtin_patterns: The built-in patterns to search for. None stands for all.
        custom_patterns: Patterns of your own, applied after the built-in ones in this order. None
            stands for none.
    """

    enabled: bool = False
    fields: Optional[List[str]] = None
    mode: str = "label"
    enhanced_detection: bool = False
    builtin_patterns: Optional[PiiBuiltinPatterns] = None
    custom_patterns: Optional[List[PiiCustomPattern]] = None

    def __post_init__(self) -> None:
        """Replace None by what it stands for."""
        if self.fields is None:
            self.fields = list(_FIELDS)
        if self.builtin_patterns is None:
            self.builtin_patterns = PiiBuiltinPatterns()
        if self.custom_patterns is None:
            self.custom_patterns = []

"""What is redacted before data leaves the process."""
# The annotations are part of the documented signatures, so they keep the spelling of `typing`.
# ruff: noqa: UP006, UP035, UP045

from dataclasses import InitVar, dataclass, field
from typing import Any, Dict, List, Mapping, Optional

from sentrial._core import Redactor

__all__ = [
    "PiiBuiltinPatterns",
    "PiiConfig",
    "PiiCustomPattern",
    "redact_payload",
    "redact_string",
    "redact_value",
]

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
    """Which of the built-in patterns are searched for; the documented five by default.

    Attributes:
        emails: E-mail addresses.
        phones: Telephone numbers of the North American plan.
        ssns: US social security numbers.
        credit_cards: Card numbers with a valid checksum.
        ip_addresses: IPv4 and IPv6 addresses.
        international_phones: Telephone numbers with ``+`` and a country code. Keyword only;
            default False. Not a field of the dataclass: `asdict` gives the documented five.
        ibans: International bank account numbers with a valid checksum. As above.
    """

    emails: bool = True
    phones: bool = True
    ssns: bool = True
    credit_cards: bool = True
    ip_addresses: bool = True
    international_phones: InitVar[bool] = field(default=False, kw_only=True)
    ibans: InitVar[bool] = field(default=False, kw_only=True)

    def __post_init__(self, international_phones: bool, ibans: bool) -> None:
        """Keep the patterns beyond the documented ones."""
        vars(self).update(international_phones=international_phones, ibans=ibans)


@dataclass
class PiiConfig:
    """What is redacted, and how.

    Attributes:
        enabled: Whether personal data is redacted. Default False.
        fields: The names of the fields to redact. None stands for the documented ten: inputs,
            outputs, metadata and reasoning, in both spellings. A client with these ten redacts
            every field but identifiers such as ``name``, ``userId`` and ``convoId``, and of those
            the ones the list is extended by. With a list that lacks some of the ten it redacts
            the fields of that list and no others.
        mode: What stands for a match: ``"label"`` (the default) a word such as ``[EMAIL]``,
            ``"hash"`` a short digest, ``"remove"`` nothing, ``"pseudonym"`` a digest made with
            ``hash_key``, which only who has that key can test a guess against.
        enhanced_detection: Accepted for compatibility. Default False.
        builtin_patterns: The built-in patterns to search for. None stands for the documented five.
        custom_patterns: Patterns of your own, applied after the built-in ones in this order. None
            stands for none.
        hash_key: The key of mode ``"pseudonym"``: text or bytes. Keyword only. Not a field of the
            dataclass, so that it never shows in `repr` or `asdict`.
    """

    enabled: bool = False
    fields: Optional[List[str]] = None
    mode: str = "label"
    enhanced_detection: bool = False
    builtin_patterns: Optional[PiiBuiltinPatterns] = None
    custom_patterns: Optional[List[PiiCustomPattern]] = None
    hash_key: InitVar[Any] = field(default=None, kw_only=True)

    def __post_init__(self, hash_key: Any) -> None:
        """Replace None by what it stands for."""
        vars(self)["hash_key"] = hash_key
        if self.fields is None:
            self.fields = list(_FIELDS)
        if self.builtin_patterns is None:
            self.builtin_patterns = PiiBuiltinPatterns()
        if self.custom_patterns is None:
            self.custom_patterns = []


def redact_string(
    value: str,
    mode: str,
    builtin_patterns: PiiBuiltinPatterns,
    custom_patterns: List[PiiCustomPattern],
) -> str:
    """Redact one text.

    Args:
        value: The text.
        mode: As in `PiiConfig`; an unknown mode works like ``"label"``.
        builtin_patterns: What to search for.
        custom_patterns: What else, in this order, each in what the one before has left.

    Raises:
        re.error: A custom pattern does not compile.
    """
    result: str = _redactor(mode, builtin_patterns, custom_patterns).value(value)
    return result


def redact_value(
    value: Any,
    mode: str,
    builtin_patterns: PiiBuiltinPatterns,
    custom_patterns: List[PiiCustomPattern],
) -> Any:
    """Redact the texts in a value: in lists and in the values of dicts, at any depth.

    Keys and values of other types stay as they are. The value is not changed; what is returned
    shares with it what needed no change. Arguments and errors are those of `redact_string`.
    """
    return _redactor(mode, builtin_patterns, custom_patterns).value(value)


def redact_payload(payload: Dict[str, Any], config: PiiConfig) -> Dict[str, Any]:
    """Redact the fields of a payload that the configuration names, and no others.

    Returns:
        The payload itself if the configuration is not enabled, else a copy.

    Raises:
        re.error: A custom pattern does not compile.
    """
    if not config.enabled:
        return payload
    hash_key = vars(config).get("hash_key")
    builtin = config.builtin_patterns or PiiBuiltinPatterns()
    redactor = _redactor(config.mode, builtin, config.custom_patterns or [], hash_key)
    redacted = dict(payload)
    for name in config.fields or ():
        value = redacted.get(name)
        if value is not None:
            redacted[name] = redactor.value(value)
    return redacted


_made: Dict[Any, Redactor] = {}
_MOST_MADE = 64


def _redactor(
    mode: Any,
    builtin: PiiBuiltinPatterns,
    custom: List[PiiCustomPattern],
    hash_key: Any = None,
) -> Redactor:
    """Return the rules made ready; made once for equal settings."""
    on = tuple(bool(getattr(builtin, name, False)) for name in _BUILTINS)
    key = (mode, on, tuple((each.pattern, each.label) for each in custom), hash_key)
    made = _made.get(key)
    if made is None:
        config = PiiConfig(True, None, mode, False, builtin, custom, hash_key=hash_key)
        try:
            made = Redactor.lenient(config)
        except ValueError as error:
            import re

            raise re.error(str(error)) from None
        if len(_made) >= _MOST_MADE:
            _made.clear()
        _made[key] = made
    return made


_BUILTINS = (
    "emails",
    "phones",
    "ssns",
    "credit_cards",
    "ip_addresses",
    "international_phones",
    "ibans",
)


def _compilable(pattern: Any) -> str:
    """Check a pattern with Python's own compiler; return it without names of characters.

    Raises:
        ValueError: It is no text or no pattern; says where.
    """
    import re

    if not isinstance(pattern, str):
        message = f"is of type {type(pattern).__name__}; pass text"
        raise ValueError(message)  # noqa: TRY004  one kind of error for all settings
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        message = f"is no regular expression: {error}"
        raise ValueError(message) from None
    if r"\N{" not in pattern:
        return pattern
    import unicodedata

    def code(match: re.Match[str]) -> str:
        return f"{match[1]}\\U{ord(unicodedata.lookup(match[2])):08x}"

    return re.sub(r"((?:^|[^\\])(?:\\\\)*)\\N\{([^}]*)\}", code, pattern)


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name)


def _from_mapping(mapping: Mapping[str, Any]) -> PiiConfig:
    """Make a configuration of a mapping in snake or camel case; given at all, it is enabled.

    Raises:
        ValueError: It has an unknown member.
    """
    values: Dict[str, Any] = {"enabled": True}
    values.update({_snake(str(name)): value for name, value in mapping.items()})
    builtin = values.get("builtin_patterns")
    if isinstance(builtin, Mapping):
        values["builtin_patterns"] = _made_of(PiiBuiltinPatterns, builtin, "builtin_patterns.")
    custom = values.get("custom_patterns")
    if isinstance(custom, (list, tuple)):
        values["custom_patterns"] = [
            _made_of(PiiCustomPattern, entry, f"custom_patterns[{at}] ")
            if isinstance(entry, Mapping)
            else entry
            for at, entry in enumerate(custom)
        ]
    made: PiiConfig = _made_of(PiiConfig, values, "")
    return made


def _made_of(made: Any, values: Mapping[Any, Any], what: str) -> Any:
    names = {_snake(str(name)): value for name, value in values.items()}
    known = {*made.__dataclass_fields__, *made.__init__.__annotations__} - {"return"}
    unknown = names.keys() - known
    if unknown:
        message = f"{what}{min(unknown)} is unknown; known are {', '.join(sorted(known))}"
        raise ValueError(message)
    try:
        return made(**names)
    except TypeError:
        message = f"{what}is incomplete; pass {', '.join(sorted(known))}"
        raise ValueError(message) from None


def _from_server(config: Mapping[str, Any]) -> PiiConfig:
    """Show what the server sent as a configuration; what it does not know is left out."""

    def known(entry: Any, made: Any = PiiCustomPattern) -> Dict[str, Any]:
        members = entry.items() if isinstance(entry, Mapping) else ()
        values = {_snake(str(name)): value for name, value in members if value is not None}
        return {name: value for name, value in values.items() if name in made.__dataclass_fields__}

    values = {"enabled": True, **known(config, PiiConfig)}
    builtin = known(values.get("builtin_patterns"), PiiBuiltinPatterns)
    values["builtin_patterns"] = PiiBuiltinPatterns(**builtin)
    custom = values.get("custom_patterns")
    entries = map(known, custom) if isinstance(custom, list) else ()
    values["custom_patterns"] = [
        PiiCustomPattern(str(entry["pattern"]), str(entry.get("label", "REDACTED")))
        for entry in entries
        if "pattern" in entry
    ]
    values.pop("hash_key", None)
    return PiiConfig(**values)

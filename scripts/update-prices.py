"""Write the model prices that are embedded in the extension module.

Run by `make prices` with Python 3.11+ and the PyPI package `genai-prices` (MIT). It writes, into
src/core/pricing/genai-prices/:

    prices.jsonl.z   the data set, compressed: per provider a line about it, and one of its models
    VERSION          the version of the package
    LICENSE          its licence notice, which the wheel ships
    examples.jsonl   calls and what they cost by the package itself, for the tests

Prices per token, search and request are kept: other units (audio hours, characters) are in no
provider's usage. A model that is priced in such units alone is kept without prices.
"""

from __future__ import annotations

import json
import sys
import zlib
from datetime import UTC, date, datetime, time
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genai_prices import types
from genai_prices.data import providers

if TYPE_CHECKING:
    from decimal import Decimal

TARGET = Path(__file__).parent.parent / "src" / "core" / "pricing" / "genai-prices"
KEPT = {
    "input_mtok",
    "cache_read_mtok",
    "cache_write_mtok",
    "output_mtok",
    "output_reasoning_mtok",
    "input_audio_mtok",
    "output_audio_mtok",
    "cache_write_1h_mtok",
    "cache_audio_read_mtok",
    "input_image_mtok",
    "output_image_mtok",
    "web_searches_kcount",
    "storage_searches_kcount",
    "requests_kcount",
}
COUNTED = {"web_searches_kcount", "storage_searches_kcount", "requests_kcount"}
SIMPLE = {"equals": "=", "starts_with": "^", "ends_with": "$", "contains": "*"}


def clause(match: Any) -> Any:
    """Encode a match rule: a string after an operator, or a list after `|` or `&`."""
    if match is None:
        return None
    if isinstance(match, types.ClauseRegex):
        return "~" + match.regex
    for kind, sign in (("or_", "|"), ("and_", "&")):
        if hasattr(match, kind):
            return [sign, *map(clause, getattr(match, kind))]
    [(kind, text)] = vars(match).items()
    return SIMPLE[kind] + text.lower()


def number(value: Decimal) -> str:
    """Write a decimal in full."""
    return format(value.normalize(), "f")


def price(value: Any) -> Any:
    """Encode a price: a decimal, or the base followed by [threshold, decimal] pairs."""
    if isinstance(value, types.TieredPrices):
        return [number(value.base), *([tier.start, number(tier.price)] for tier in value.tiers)]
    return number(value)


def prices(model_price: types.ModelPrice) -> Any:
    """Encode the prices of a model, or None where it has only others than per token."""
    given = {key: value for key, value in vars(model_price).items() if value is not None}
    kept = {key: price(value) for key, value in given.items() if key in KEPT}
    return kept if kept.keys() - COUNTED or not given else None


def constraint(rule: Any) -> Any:
    """Encode when a price applies: days since 1970, or two seconds of the day, in UTC."""
    if rule is None:
        return None
    if isinstance(rule, types.StartDateConstraint):
        return ["from", (rule.start_date - date(1970, 1, 1)).days]
    return ["daily", seconds(rule.start_time), seconds(rule.end_time)]


def seconds(value: time) -> int:
    """Return the second of the UTC day."""
    moment = datetime.combine(date(2000, 1, 2), value, value.tzinfo or UTC).astimezone(UTC)
    return moment.hour * 3600 + moment.minute * 60 + moment.second


def model_entry(model: types.ModelInfo) -> list[Any]:
    """Encode a model: id, match rule, dated prices, and variants if there are any."""
    dated = model.prices
    if not isinstance(dated, list):
        dated = [types.ConditionalPrice(prices=dated)]
    entry = [
        model.id,
        clause(model.match),
        [[constraint(item.constraint), prices(item.prices)] for item in dated],
    ]
    variants = [
        [item.when, constraint(item.constraint), prices(item.prices) or {}]
        for item in model.price_variants or ()
    ]
    return [*entry, variants] if variants else entry


def lines() -> list[str]:
    """Return the data set as lines of JSON."""
    written = []
    for provider in providers:
        head = {
            "id": provider.id,
            "models": clause(provider.model_match),
            "names": clause(provider.provider_match),
            "fallback": provider.fallback_model_providers or [],
        }
        written.append(json.dumps(head, separators=(",", ":")))
        models = [model_entry(model) for model in provider.models]
        written.append(json.dumps(models, separators=(",", ":")))
    return written


MOMENTS = (datetime(2025, 1, 15, 12, tzinfo=UTC), datetime(2026, 11, 20, 20, 30, tzinfo=UTC))
#: Disjoint counts: input, cache read, cache write, output, reasoning, audio in, audio out, cache
#: write for an hour, web searches.
COUNTS = (
    (1234, 0, 0, 567, 0, 0, 0, 0, 0),
    (150_001, 60_003, 507, 1200, 77, 0, 0, 0, 0),
    (900, 0, 0, 30, 0, 41, 9, 0, 0),
)
HOURLY = (1000, 5, 700, 30, 0, 0, 0, 1300, 0)
SEARCHING = (1000, 0, 0, 30, 0, 0, 0, 0, 3)


def examples() -> list[str]:
    """Return calls with their cost: of all models with dates, and of some of the others."""
    written = []
    for provider in providers:
        for nth, model in enumerate(provider.models):
            text = repr(model.prices)
            special = isinstance(model.prices, list) or "audio_mtok" in text or "reasoning" in text
            if not special and nth % 60:
                continue
            for at in MOMENTS if isinstance(model.prices, list) else MOMENTS[1:]:
                more = [HOURLY] if "cache_write_1h_mtok" in text else []
                more += [SEARCHING] if "web_searches_kcount" in text else []
                for counts in (*(COUNTS if "audio_mtok" in text else COUNTS[:2]), *more):
                    example = one_example(provider, model.id, counts, at)
                    if example is not None:
                        written.append(json.dumps(example, separators=(",", ":")))
    return written


def one_example(
    provider: types.Provider, name: str, counts: tuple[int, ...], at: datetime
) -> list[Any] | None:
    """Return one call with its cost; None where the package has no price for a part of it."""
    model = provider.find_model(name, all_providers=providers)
    if model is None:
        return None
    plain, read, write, out, reasoning, audio_in, audio_out, hourly, searches = counts
    reported = types.Usage(
        input_tokens=plain + read + write + hourly + audio_in,
        cache_read_tokens=read,
        cache_write_tokens=write + hourly,
        **({"cache_write_1h_tokens": hourly} if hourly else {}),
        **({"web_searches": searches} if searches else {}),
        output_tokens=out + reasoning + audio_out,
        output_reasoning_tokens=reasoning,
        input_audio_tokens=audio_in,
        output_audio_tokens=audio_out,
    )
    priced = model.get_prices(at)
    if priced.input_mtok is None or priced.output_mtok is None:
        return None
    if hourly and priced.cache_write_1h_mtok is None:
        return None
    if searches and priced.web_searches_kcount is None:
        return None
    cost = model.calc_price(reported, provider, genai_request_timestamp=at).total_price
    return [provider.id, name, int(at.timestamp()), *counts, number(cost)]


def main() -> None:
    """Write the files, and say what they hold."""
    package = distribution("genai-prices")
    [licence] = [path for path in package.files or () if path.name == "LICENSE"]
    text = "\n".join(lines()) + "\n"
    packed = zlib.compress(text.encode(), 9)
    TARGET.mkdir(parents=True, exist_ok=True)
    (TARGET / "prices.jsonl.z").write_bytes(packed)
    (TARGET / "VERSION").write_text(package.version + "\n")
    (TARGET / "LICENSE").write_text(licence.read_text())
    (TARGET / "examples.jsonl").write_text("\n".join(examples()) + "\n")
    count = sum(len(provider.models) for provider in providers)
    sys.stdout.write(
        f"genai-prices {package.version}: {len(providers)} providers, {count} models, "
        f"{len(text)} bytes, {len(packed)} compressed\n"
    )


main()

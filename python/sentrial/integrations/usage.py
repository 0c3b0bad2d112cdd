"""Usage as frameworks report it, in buckets that do not overlap."""

from __future__ import annotations

from sentrial.wrappers import Usage
from sentrial.wrappers._usage import split

__all__ = ["of_parts"]


def of_parts(
    *,
    prompt: int,
    completion: int,
    cache_read: int = 0,
    cache_write: int = 0,
    cache_write_1h: int = 0,
    input_audio: int = 0,
    reasoning: int = 0,
    output_audio: int = 0,
) -> Usage:
    """Split figures of which the details are parts: of the prompt, and of the completion.

    Where the parts are more than the whole, they are cut: the sum is always the whole.
    """
    given, read, written, hourly, heard = split(
        prompt, cache_read, cache_write, cache_write_1h, input_audio
    )
    answered, thought, spoken = split(completion, reasoning, output_audio)
    return Usage(
        given, read, written, answered, thought, heard, spoken, cache_write_1h_tokens=hourly
    )

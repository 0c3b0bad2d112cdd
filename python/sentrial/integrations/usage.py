"""Usage as frameworks report it, in buckets that do not overlap."""

from __future__ import annotations

from sentrial.wrappers import Usage

__all__ = ["of_parts"]


def of_parts(
    *,
    prompt: int,
    completion: int,
    cache_read: int = 0,
    cache_write: int = 0,
    input_audio: int = 0,
    reasoning: int = 0,
    output_audio: int = 0,
) -> Usage:
    """Split figures of which the details are parts: of the prompt, and of the completion.

    Where the parts are more than the whole, they are cut: the sum is always the whole.
    """
    left_in, (read, written, heard) = _split(prompt, cache_read, cache_write, input_audio)
    left_out, (thought, spoken) = _split(completion, reasoning, output_audio)
    return Usage(left_in, read, written, left_out, thought, heard, spoken)


def _split(whole: int, *parts: int) -> tuple[int, list[int]]:
    taken = []
    for part in parts:
        taken.append(min(part, whole))
        whole -= taken[-1]
    return whole, taken

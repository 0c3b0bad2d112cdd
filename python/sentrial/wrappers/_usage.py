"""What a call used, in buckets that do not overlap.

How each provider's figures become that is compiled.
"""

from __future__ import annotations

from typing import NamedTuple

from sentrial._core import usage_of_anthropic as of_anthropic
from sentrial._core import usage_of_google as of_google
from sentrial._core import usage_of_openai as of_openai

__all__ = ["Usage", "of_anthropic", "of_google", "of_openai"]


class Usage(NamedTuple):
    """Tokens of one call. No token is in two buckets.

    Attributes:
        input_tokens: Read by the model as text or image, neither from nor into a cache.
        cache_read_tokens: Read from the provider's cache.
        cache_write_tokens: Written into the provider's cache.
        output_tokens: Written by the model for the caller.
        reasoning_tokens: Written by the model for itself, if the provider tells them apart.
        input_audio_tokens: Audio that went in.
        output_audio_tokens: Audio that came out.
        total_tokens: The provider's own total, 0 if it gives none. It is recorded as it is, also
            where it is not the sum of the buckets.
    """

    input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    input_audio_tokens: int = 0
    output_audio_tokens: int = 0
    total_tokens: int = 0

    @property
    def prompt_tokens(self) -> int:
        """All tokens that went in."""
        return (
            self.input_tokens
            + self.cache_read_tokens
            + self.cache_write_tokens
            + self.input_audio_tokens
        )

    @property
    def completion_tokens(self) -> int:
        """All tokens that came out, reasoning included."""
        return self.output_tokens + self.reasoning_tokens + self.output_audio_tokens

"""What a stream can show; see `sentrial._terminal`."""

from sentrial._terminal import Terminal, plain, shortened

__all__ = ["Terminal", "plain", "shortened"]

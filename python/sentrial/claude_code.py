"""Claude Agent SDK: `wrap_claude_agent` for `query`, `wrap_claude_client` for its client."""

from sentrial.integrations.claude_agent import (
    TrackedClaudeClient,
    wrap_claude_agent,
    wrap_claude_client,
)

__all__ = ["TrackedClaudeClient", "wrap_claude_agent", "wrap_claude_client"]

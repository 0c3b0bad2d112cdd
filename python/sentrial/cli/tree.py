"""A session as a tree: its events and the sessions nested in it, in the order of their times."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sentrial._terminal import plain, shortened
from sentrial.cli import figures

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sentrial._terminal import Terminal

_DETAIL_WIDTH = 100
_STATUS_STYLES = {"completed": "green", "failed": "red", "active": "yellow"}
_DURATION_FIELDS = ("durationMs", "duration_ms")


def session_duration(session: dict[str, Any]) -> str:
    """Return how long a session took: as reported, else from its start to its end."""
    reported = figures.duration(session["durationMs"])
    return reported or figures.duration(
        figures.between_ms(session["createdAt"], session["completedAt"])
    )


def session_cost(session: dict[str, Any]) -> str:
    """Return what a session cost: as reported, else the sum over its events."""
    return figures.cost(session["estimatedCost"]) or figures.cost(session["eventCost"])


def show_tree(terminal: Terminal, family: dict[str, Any]) -> None:
    """Write ``family``, as ``sentrial._core.sessions_get`` returns it."""
    children: dict[str, list[dict[str, Any]]] = {}
    for nested in family["nested"]:
        children.setdefault(nested["session"]["parentSessionId"], []).append(nested)
    for line in _session_lines(terminal, family, children, ""):
        terminal.line(line)


def _session_lines(
    terminal: Terminal,
    node: dict[str, Any],
    children: dict[str, list[dict[str, Any]]],
    indent: str,
) -> Iterator[str]:
    """Yield the lines of a session: its head, then what belongs to it, indented."""
    # A stack instead of recursion: sessions may be nested deeper than Python's stack.
    began = figures.moment(node["session"]["createdAt"])
    yield f"{terminal.paint(began, 'dim')}  {_head(terminal, node['session'])}"
    stack = [(indent, _parts(node, children))]
    while stack:
        indent, parts = stack[-1]
        if not parts:
            stack.pop()
            continue
        part = parts.pop(0)
        branch, below = ("├─ ", "│  ") if parts else ("└─ ", "   ")
        if "session" in part:
            time = terminal.paint(figures.clock(part["session"]["createdAt"]), "dim")
            yield f"{indent}{branch}{time}  {_head(terminal, part['session'])}"
            stack.append((indent + below, _parts(part, children)))
        else:
            yield f"{indent}{branch}{_event(terminal, part)}"


def _parts(node: dict[str, Any], children: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Return events and nested sessions of a session by their times."""
    parts = [*node["events"], *children.get(node["session"]["id"], [])]
    return sorted(parts, key=lambda part: str(part.get("session", part)["createdAt"]))


def _head(terminal: Terminal, session: dict[str, Any]) -> str:
    status = plain(session["status"])
    mark = {"completed": "✓ ", "failed": "✗ "}.get(status, "")
    facts = [
        terminal.paint(f"{mark}{status}", _STATUS_STYLES.get(status, "dim")),
        session_duration(session),
        session_cost(session),
        figures.tokens(_session_tokens(session)),
        f"agent {_short(session['agentName'])}",
        f"user {_short(session['userId'])}",
        terminal.paint(session["id"], "dim"),
    ]
    head = f"{terminal.paint(_short(session['name']), 'bold')}  {_joined(facts)}"
    reason = session.get("failureReason")
    return f"{head}  {terminal.paint(_short(reason), 'red')}" if reason else head


def _session_tokens(session: dict[str, Any]) -> object:
    total = session.get("totalTokens")
    if total is not None:
        return total
    return figures.total(session.get("promptTokens"), session.get("completionTokens"))


def _event(terminal: Terminal, event: dict[str, Any]) -> str:
    time = terminal.paint(figures.clock(event["createdAt"]), "dim")
    error = event.get("toolError")
    failed = error is not None or event["eventType"] == "error"
    kind = terminal.paint(f"{event['eventType']:<12}", "red" if failed else "cyan")
    metadata = event.get("metadata") or {}
    unknown = metadata.get("cost_unknown") is True
    facts = [
        plain(event["toolName"]) if event["toolName"] else "",
        figures.duration(_event_duration(event, metadata)),
        "cost unknown" if unknown else figures.cost(event.get("estimatedCost")),
        figures.tokens(event.get("tokenCount")),
        terminal.paint(_error(error), "red") if error else _reasoning(event),
    ]
    return f"{time}  {kind}  {_joined(facts)}".rstrip()


def _event_duration(event: dict[str, Any], metadata: dict[str, Any]) -> object:
    """Return the duration a tool call was recorded with; it is not guessed from other times."""
    for holder in (event, metadata):
        for name in _DURATION_FIELDS:
            if holder.get(name) is not None:
                return holder[name]
    return None


def _error(error: dict[str, Any]) -> str:
    message, kind = error.get("message") or "", error.get("type")
    return _short(f"{kind}: {message}" if kind else message) or "error"


def _reasoning(event: dict[str, Any]) -> str:
    confidence = event.get("confidence")
    sure = "" if confidence is None else f" ({confidence:.0%})"
    return f"{_short(event.get('reasoning') or '')}{sure}".strip()


def _short(value: object) -> str:
    return shortened(plain(value), _DETAIL_WIDTH)


def _joined(facts: list[str]) -> str:
    return " · ".join(fact for fact in facts if fact)

"""Which agent frameworks are installed beside the package, and whether they are recent enough."""

from __future__ import annotations

from sentrial.cli.checks import Finding, ok, skipped, warning
from sentrial.integrations import versions

_NAME = "frameworks"


def frameworks() -> Finding:
    """Check the versions of what is installed against those the integrations are made for."""
    found = []
    commands = []
    for identifier, needed in versions.REQUIREMENTS.items():
        version = versions.installed(identifier)
        if version is None:
            continue
        told = f"{needed.distribution} {versions._dotted(version)}"
        if version < needed.minimum:
            told += f" (older than {versions._dotted(needed.minimum)})"
            commands.append(versions._command(needed))
        found.append(told)
    if not found:
        return skipped(_NAME, "none that the integrations are made for is installed")
    if commands:
        return warning(_NAME, ", ".join(found), "; ".join(dict.fromkeys(commands)))
    return ok(_NAME, ", ".join(found))

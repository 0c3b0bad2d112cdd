"""Columns of text: by `rich` on a terminal that has it, plain anywhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sentrial._terminal import Terminal


def show_table(terminal: Terminal, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Write rows under their column names, each column as wide as its widest cell."""
    rows = [[terminal.showable(cell) for cell in row] for row in rows]
    # Scripts read the plain form, so it never depends on what is installed.
    if terminal.is_interactive and _show_rich_table(terminal, columns, rows):
        return
    widths = [max(map(len, cells)) for cells in zip(columns, *rows, strict=True)]
    terminal.line(terminal.paint(_aligned(columns, widths), "bold"))
    for row in rows:
        terminal.line(_aligned(row, widths))


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
    return "  ".join(padded).rstrip()


def _show_rich_table(
    terminal: Terminal, columns: Sequence[str], rows: Sequence[Sequence[str]]
) -> bool:
    try:
        from rich import box
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text
    except ImportError:
        return False
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(Text(column), overflow="fold")
    for row in rows:
        # As Text: a name may look like markup.
        table.add_row(*map(Text, row))
    Console(file=terminal.stream).print(table)
    return True

"""What the demonstration looks like: coloured on a terminal, plain lines elsewhere.

Knows: rich.  Must not know: what is shown.
"""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

OUT = Console(highlight=False, soft_wrap=True)


def heading(number: int, text: str) -> None:
    """A step of the demonstration."""
    if OUT.is_terminal:
        OUT.print()
        OUT.rule(f"[bold]{number} · {escape(text)}", align="left", style="cyan")
    else:
        OUT.print(f"\n== {number}. {text}", markup=False)


def line(text: str, style: str = "") -> None:
    """One plain line."""
    OUT.print(Text(text, style=style))


def command(words: str) -> None:
    """A command line that is run for real."""
    OUT.print(Text.assemble(("$ ", "dim"), (words, "bold")))


def title(text: str, below: str) -> None:
    """The opening."""
    if OUT.is_terminal:
        OUT.print(Panel(Text(below), title=f"[bold]{escape(text)}", title_align="left", border_style="cyan"))
    else:
        OUT.print(f"{text}: {below}", markup=False)


def attacks(rows: list[tuple[str, str, str, bool]]) -> None:
    """(attack, what happened without, what happened inside, whether that is right)."""
    if not OUT.is_terminal:
        for name, bare, inside, good in rows:
            OUT.print(f"{'ok  ' if good else 'FAIL'}  {name:<52} bare: {bare:<10} inside: {inside}", markup=False)
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for head in ("attack", "without Sidewall", "inside"):
        table.add_column(head)
    for name, bare, inside, good in rows:
        mark = Text("✓ ", style="green") if good else Text("✗ ", style="bold red")
        loss = Text(bare, style="red" if bare == "succeeded" else "dim")
        table.add_row(name, loss, Text.assemble(mark, (inside, "green" if good else "bold red")))
    OUT.print(table)


def verdict(good: bool, text: str) -> None:
    """The last line."""
    if OUT.is_terminal:
        OUT.print()
        colour = "green" if good else "red"
        OUT.print(Panel(Text(text, style=f"bold {colour}"), border_style=colour))
    else:
        OUT.print(f"\n{'OK' if good else 'FAILED'}: {text}", markup=False)

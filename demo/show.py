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


def guarantees(rows: list[tuple[str, str, str, str]]) -> None:
    """(name, level, mechanism, what is missing)."""
    if not OUT.is_terminal:
        for name, level, mechanism, reason in rows:
            OUT.print(f"{level:<9} {name:<23} {mechanism}", markup=False)
            if reason:
                OUT.print(f"{'':34}{reason}", markup=False)
        return
    colours = {"enforced": "green", "partial": "yellow", "advisory": "yellow", "open": "red"}
    table = Table(box=None, pad_edge=False, header_style="dim")
    for head in ("guarantee", "level", "by what"):
        table.add_column(head, overflow="fold")
    for name, level, mechanism, reason in rows:
        what = Text(mechanism)
        if reason:
            what.append(f"\n{reason}", style="dim")
        table.add_row(name, Text(level, style=colours.get(level, "")), what)
    OUT.print(table)


def verdict(good: bool, parts: list[str]) -> None:
    """The last words: one line, or a box."""
    if not OUT.is_terminal:
        OUT.print(f"\n{'OK' if good else 'FAILED'}: {'; '.join(parts)}", markup=False)
        return
    colour = "green" if good else "red"
    OUT.print()
    OUT.print(Panel(Text("\n".join(parts), style=f"bold {colour}"), border_style=colour), soft_wrap=False)

"""How things are printed: JSON for programs, plain lines for pipes, ``rich`` for people at a terminal.

Knows: standard output and the variables that steer colour.  Must not know: what is printed.

``NO_COLOR`` (https://no-color.org) takes colours away, ``FORCE_COLOR`` asks for the painted form in a pipe too.  Names
from a workspace are hostile: they are cleaned of whatever steers a terminal, and never read as markup.
"""

from __future__ import annotations

import json
import os
import sys

from sidewall.cli.failure import clean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

STYLES = {"enforced": "green", "partial": "yellow", "advisory": "yellow", "open": "red", "allowed": "green",
          "denied": "red", "ok": "green", "warn": "yellow", "bad": "red"}
MARKS = {"ok": "✓", "warn": "!", "bad": "✗"}


def prepare() -> None:
    """Makes standard output take every character, whatever its encoding is."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")


def painted() -> bool:
    """Whether a person looks at standard output."""
    if os.environ.get("FORCE_COLOR", "") not in ("", "0"):
        return True
    try:
        return sys.stdout.isatty()
    except (AttributeError, ValueError):  # closed
        return False


def console() -> Console:
    """The console for standard output."""
    from rich.console import Console

    plain = bool(os.environ.get("NO_COLOR"))
    # Without a colour system rich writes no escapes at all; ``no_color`` alone would leave bold and dim.
    return Console(highlight=False, markup=False, emoji=False, soft_wrap=False, no_color=plain or None,
                   color_system=None if plain else "auto", force_terminal=None if plain else True)


def print_json(data: Any) -> None:
    """One JSON document in ASCII, indented; undecodable bytes of names are escapes."""
    sys.stdout.write(json.dumps(data, indent=2, sort_keys=False) + "\n")


def print_lines(lines: Iterable[str]) -> None:
    """Plain lines, cleaned."""
    for line in lines:
        sys.stdout.write(clean(line) + "\n")


def styled(text: str, style: str = "") -> Text:
    """A piece of a line, cleaned; ``style`` is a word of ``STYLES`` or one of rich's."""
    from rich.text import Text

    return Text(clean(text), style=STYLES.get(style, style), overflow="fold")


def table(*columns: str) -> Table:
    """A table without borders; columns that are '' have no heading."""
    from rich.table import Table

    made = Table(box=None, show_header=any(columns), pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in columns:
        made.add_column(column, overflow="fold")
    return made

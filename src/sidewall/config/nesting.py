"""How deep a TOML text nests, told from its words before anything is built of it.

Knows: what a word of TOML is: strings, comments, bare keys, dots, brackets.  Must not know: what a parser makes of it.
Follows: TOML 1.0.

A parser makes a table of each part of a dotted key, and some look at all of them again for each: 60,000 dots in 120 KB
took it a minute.  A text that is no TOML is not found out here; the parser says where it goes wrong.
"""

from __future__ import annotations

import re

DEEPEST = 32
"""Parts of one key, and brackets in one another; the format itself needs three of either."""
_SHOWN = 3

_WORD = re.compile(
    r'"""(?:[^"\\]|\\.|"(?!""))*+"{3,5}'
    r"|'''(?:[^']|'(?!''))*+'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*+"'
    r"|'[^'\n]*+'"
    r"|\#[^\n]*+|[A-Za-z0-9_-]++|[ \t]++|.",
    re.DOTALL)
_OPEN, _CLOSED = frozenset("[{"), frozenset("]}")


def too_deep(text: str) -> str | None:
    """The beginning of the first key that has, or holds, more than ``DEEPEST`` levels; None when there is none.

    The time it takes grows with the length of the text, whatever that is.
    """
    if text.count(".") + text.count("[") + text.count("{") < DEEPEST:
        return None
    parts: list[str] = []
    key: list[str] = []
    dotted = False
    brackets = 0
    for found in _WORD.finditer(text):
        word = found.group()
        first = word[0]
        if first in " \t":
            continue
        if first == ".":
            dotted = True
            continue
        if first.isalnum() or first in "_-\"'":
            parts = [*parts, word] if dotted and parts else [word]
            if len(parts) > DEEPEST:
                return _shown(parts)
        else:
            if first == "=" and not brackets:
                key = parts
            brackets = brackets + (first in _OPEN) - (first in _CLOSED)
            if first == "\n" and brackets == 0:
                key = []
            if brackets > DEEPEST:
                return _shown(key) if key else ""
            parts = []
        dotted = False
    return None


def _shown(parts: list[str]) -> str:
    some = [part[:20] for part in parts[:_SHOWN]]
    return ".".join(some) + ("..." if len(parts) > _SHOWN else "")

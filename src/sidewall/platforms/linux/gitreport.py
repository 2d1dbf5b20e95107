"""Tells people what was carried, what stays inside and why: each thing once.

Knows: ``contract.Held``.  Must not know: how it came to that.

Paths come from the cell: a name may hold line ends or terminal escapes, so it is shown with these spelled out.  What
is told at once has a bound, because a cell can make a reason for a report a million times over.
"""

from __future__ import annotations

from sidewall.platforms.contract import Held

_MOST = 64
_REMEMBERED = 10_000


class Report:
    """The reports on one git directory, which people know by ``name``, such as ``.git``."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._last: dict[str, tuple[str, str]] = {}
        self._told: list[Held] = []
        self._untold = 0

    def carried(self, path: str, reason: str = "") -> None:
        """``path`` (below the git directory) is outside now."""
        self._last.pop(path, None)
        self._add("carried", path, reason)

    def held(self, path: str, reason: str) -> None:
        """``path`` stays inside.  Told again only when the reason changes, or after it was carried."""
        self._once("held", path, reason)

    def conflict(self, path: str, reason: str) -> None:
        """``path`` was changed on both sides and stays as it is outside.  Told again as for ``held``."""
        self._once("conflict", path, reason)

    def end(self) -> tuple[Held, ...]:
        """What was told since the last time."""
        if self._untold:
            self._told.append(Held(action="held", path=self._name, reason=f"and {self._untold} more paths"))
        told, self._told, self._untold = tuple(self._told), [], 0
        return told

    def _once(self, action: str, path: str, reason: str) -> None:
        if self._last.get(path) != (action, reason):
            if len(self._last) >= _REMEMBERED:
                self._last.clear()
            self._last[path] = (action, reason)
            self._add(action, path, reason)

    def _add(self, action: str, path: str, reason: str) -> None:
        if len(self._told) >= _MOST:
            self._untold += 1
            return
        shown = f"{self._name}/{path}" if path else self._name
        self._told.append(Held(action=action, path=printable(shown), reason=printable(reason)))


def printable(text: str) -> str:
    """The text with everything spelled out that a terminal would not show as one character."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode("ascii")
                   for c in text)

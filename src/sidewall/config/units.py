"""Durations and sizes as people write them.

Knows: ``10m``, ``1h30m``, ``2GiB``.  Must not know: which key they belong to.
"""

from __future__ import annotations

SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
BYTES = {
    "b": 1, "k": 1 << 10, "kb": 1000, "kib": 1 << 10, "m": 1 << 20, "mb": 1000**2, "mib": 1 << 20,
    "g": 1 << 30, "gb": 1000**3, "gib": 1 << 30, "t": 1 << 40, "tb": 1000**4, "tib": 1 << 40,
}
_DIGITS = "0123456789"


def seconds(text: str | float) -> float:
    """Seconds from a number, or from numbers with units (``ms s m h d``), largest unit first as in ``1h30m``.

    Raises ValueError with a remedy.
    """
    if not isinstance(text, str):
        if not 0 <= text < 1e9:
            raise ValueError("is not a duration; write seconds")
        return float(text)
    total, rest, last = 0.0, text.strip().lower(), float("inf")
    if not rest:
        raise ValueError('is empty; write "10m" or 600')
    while rest:
        number, unit, rest = _split(rest)
        if number is None or unit not in SECONDS or SECONDS[unit] >= last:
            raise ValueError('is not a duration; write "90s", "10m" or "1h30m"')
        last = SECONDS[unit]
        total += number * last
    if total >= 1e9:
        raise ValueError("is longer than a command can run")
    return total


def size(text: str | int) -> int:
    """Bytes from a whole number, or from a number with a unit (``KiB MiB GiB``, and ``kB MB GB`` in thousands).

    Raises ValueError with a remedy.
    """
    if not isinstance(text, str):
        return text
    number, unit, rest = _split(text.strip().lower())
    if number is None or rest or unit not in BYTES:
        raise ValueError('is not a size; write bytes, "512MiB" or "2GiB"')
    value = int(number * BYTES[unit])
    if value >= 1 << 62:
        raise ValueError("is larger than any machine")
    return value


def _split(text: str) -> tuple[float | None, str, str]:
    """A leading number, the unit behind it, and what follows."""
    at = 0
    while at < len(text) and text[at] in _DIGITS + ".":
        at += 1
    end = at
    while end < len(text) and text[end].isalpha():
        end += 1
    digits = text[:at]
    if not digits or digits.count(".") > 1 or digits == "." or len(digits) > 18:
        return None, "", text
    return float(digits), text[at:end], text[end:]

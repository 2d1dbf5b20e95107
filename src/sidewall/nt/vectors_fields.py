"""The fields of a test vector: a JSON value as a descriptor, a token, a mask, a truth, a text.

Knows: how a field is written, and what is said where it is not.  Must not know: kinds of vectors.
The format is that of docs/nt-model.md; it follows no Microsoft document.
"""

from __future__ import annotations

from sidewall.nt import sddl
from sidewall.nt.errors import NtError
from sidewall.nt.token import Token

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, TypeAlias

    from sidewall.nt.descriptor import SecurityDescriptor

    # Of one vector: whether it passed, what was expected and what came, in words, and the lines that led there.
    Judge: TypeAlias = Callable[[Mapping[str, Any]], tuple[bool, str, str, list[str]]]


class VectorError(NtError):
    """A line is not a vector.  ``line`` is its number in the file, from 1, where it has one."""

    def __init__(self, message: str, *, line: int = 0, hint: str = "") -> None:
        super().__init__((f"line {line}: " if line else "") + message, hint=hint)
        self.line = line


def descriptor(vector: Mapping[str, Any], name: str) -> SecurityDescriptor:
    """The field ``name`` as a descriptor.  Raises NtError."""
    try:
        return sddl.parse(text(vector, name))
    except NtError as error:
        raise VectorError(f"{name}: {error.message}", hint=error.hint) from None


def token(vector: Mapping[str, Any]) -> Token:
    """The field ``token``.  Raises NtError."""
    given = vector.get("token")
    if not isinstance(given, dict):
        raise VectorError("no token", hint="give 'token', an object with 'user'")
    return Token.from_json(given)


def number(value: Any, name: str) -> int:
    """A mask as a number or as text in Python's notation.  Raises VectorError."""
    try:
        found = int(value, 0) if isinstance(value, str) else value
    except ValueError:
        found = None
    if not isinstance(found, int) or isinstance(found, bool) or not 0 <= found < 1 << 32:
        raise VectorError(f"{name} is no number of 32 bits: {value!r:.60}", hint='write "0x1200a9"')
    return found


def truth(vector: Mapping[str, Any], name: str, default: bool) -> bool:
    """A field that is true or false.  Raises VectorError."""
    value = vector.get(name)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise VectorError(f"{name} is neither true nor false: {value!r:.60}", hint="write true or false")
    return value


def text(vector: Mapping[str, Any], name: str, default: str | None = None) -> str:
    """A field that is text.  Raises VectorError if it is something else, or missing without a default."""
    value = vector.get(name)
    if value is None:
        value = default
    if not isinstance(value, str):
        raise VectorError(f"{name} is no text" if name in vector else f"{name} is missing", hint="see docs/nt-model.md")
    return value

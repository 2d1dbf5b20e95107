"""What follows a command's end: the trusted side settles, output is decoded, a failure is explained.

Knows: text modes, which part of the output tells why.  Must not know: how output was read.
"""

from __future__ import annotations

from sidewall.session import changes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

    from sidewall.platforms.contract import Attempt, Cell
    from sidewall.session.changes import Change
    from sidewall.session.denials import Denial
    from sidewall.session.opening import Opening

    Text: TypeAlias = tuple[str, str] | None
    """Encoding and error handler; None: bytes."""

TAIL = 16384
"""Bytes at the end of a stream that are searched for the reason of a failure."""


def text_mode(text: bool | None, encoding: str | None, errors: str | None) -> Text:
    """How to decode; None means bytes.

    Text is asked for as with ``subprocess``.  What cannot be decoded becomes U+FFFD unless ``errors`` says otherwise,
    and the encoding is UTF-8 unless ``encoding`` does.
    """
    if text or encoding or errors:
        return encoding or "utf-8", errors or "replace"
    return None


def decode(data: bytes | None, text: Text) -> Any:
    """Bytes as they are, or text with line ends made ``\\n``; None stays None."""
    if data is None or text is None:
        return data
    return data.decode(*text).replace("\r\n", "\n").replace("\r", "\n")


def encode(data: Any, text: Text) -> bytes | memoryview:
    """Input in bytes: text in the encoding asked for, anything with a buffer as it is.

    Raises:
        TypeError: text without a text mode, or the reverse.
    """
    if isinstance(data, str):
        if text is None:
            raise TypeError("input is text: pass text=True, or bytes")
        return data.encode(text[0], "strict" if text[1] == "replace" else text[1])
    if text is not None:
        raise TypeError(f"input is {type(data).__name__}, but text was asked for")
    return memoryview(data)


def settle(cell: Cell) -> tuple[tuple[Change, ...], tuple[Attempt, ...]]:
    """Lets the trusted side put back and carry over; gives what it did, and the refused acts since the last time."""
    acts = cell.settle()
    return changes.held(acts) if acts else (), cell.attempts()


def explain(opening: Opening, returncode: int, attempts: tuple[Attempt, ...], cwd: str | bytes | None,
            *streams: bytes | None) -> tuple[Denial, ...]:
    """Why it failed, as far as the policy is the reason; nothing for a success."""
    if not returncode:
        return ()
    from sidewall.plan.steps import LANDLOCK
    from sidewall.session import denials

    output = b"\n".join([stream[-TAIL:] for stream in streams if stream])
    loopback = opening.cell is None or opening.cell.plan.tier != LANDLOCK
    return denials.explain(opening.policy, returncode, output, attempts, cwd, loopback=loopback)

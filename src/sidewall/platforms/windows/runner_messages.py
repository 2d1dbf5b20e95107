"""What owner and runner say to each other: kinds of frames, and the exact shape of each.

Knows: names, types and bounds of every field, for both directions.  Must not know: how a field is used, any function of
Windows.  Follows the frames of ``platforms.frames``.

Whoever reads a frame checks all of it first: no field too many or too few, each of its type and within its bound.  What
the runner says is read by the owner as if commands had taken the runner over: numbers are looked up among those that
the owner gave out, and text is shown and nothing else.
"""

from __future__ import annotations

from sidewall.platforms.frames import Decoder, FrameError, encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeAlias

    from sidewall.platforms.frames import Frame

    Check: TypeAlias = Callable[[Any], bool]

VERSION = 2
STAYS = "stays"
"""The word after the runner's own for one that goes on when the conversation ends, and does nothing any more."""
HELLO, SETUP, TRY, TRIED, PRIVATE, START, SIGNAL, RESIZE, FORGET = "H", "S", "T", "D", "P", "R", "K", "Z", "X"
RETURN = "L"
"""The owner's: who we are; the plan's parts; start a program to try the token; what came of it; the private directory
is there; start a command; end one; its terminal's size; nobody will ask about it again; end all of them for good, then
empty these directories and let the user into these places."""
GREETING, MADE, TRYING, DONE, UNABLE, STARTED, FAILED, ENDED, RETURNED = "h", "m", "t", "d", "e", "s", "n", "x", "l"
"""The runner's: its answers to the first four, or that one of them cannot be done; a command started, did not,
ended; how much could not be returned to the user, and why the first of it."""

MOST_FROM_RUNNER = 1 << 16
LONGEST_TEXT = 1 << 16
MOST_WORDS = 1 << 15
MOST_PLACES = 256


def number(low: int, high: int) -> Check:
    """A whole number from ``low`` to ``high``."""
    return lambda value: type(value) is int and low <= value <= high


def text(most: int = LONGEST_TEXT) -> Check:
    """A text of at most so many characters, without a zero."""
    return lambda value: type(value) is str and len(value) <= most and "\0" not in value


def flag(value: Any) -> bool:
    """True or false."""
    return type(value) is bool


def several(each: Check, most: int) -> Check:
    """An array of such."""
    return lambda value: type(value) is list and len(value) <= most and all(each(one) for one in value)


def exactly(*each: Check) -> Check:
    """An array of exactly these."""
    return lambda value: (type(value) is list and len(value) == len(each)
                          and all(check(one) for check, one in zip(each, value, strict=True)))


def maybe(check: Check) -> Check:
    """Such, or nothing."""
    return lambda value: value is None or check(value)


def anything(value: Any) -> bool:
    """An object whose own reader checks it."""
    return type(value) is dict


NUMBER = number(1, 2**53)
HANDLE = number(1, 2**64 - 1)
CODE = number(0, 2**32 - 1)
COUNTED = number(0, 2**63 - 1)
CELLS = number(1, 0x7FFF)
NONCE = text(64)
LACKS = several(exactly(text(40), text(400)), 40)
"""Facilities that do not work, each with a reason."""

OWNER: dict[str, dict[str, Check]] = {
    HELLO: {"version": number(0, 2**31), "nonce": NONCE},
    SETUP: {"echo": NONCE, "recipe": anything, "job": anything, "desktop": maybe(anything), "environment": anything},
    TRY: {"target": text()},
    TRIED: {},
    PRIVATE: {"path": text()},
    START: {"id": NUMBER, "argv": several(text(), MOST_WORDS), "directory": text(), "fresh": flag,
            "stdio": maybe(exactly(HANDLE, HANDLE, HANDLE)), "terminal": maybe(exactly(CELLS, CELLS, HANDLE, HANDLE))},
    SIGNAL: {"id": NUMBER, "code": CODE, "tree": flag},
    RESIZE: {"id": NUMBER, "rows": CELLS, "columns": CELLS},
    FORGET: {"id": NUMBER},
    RETURN: {"empty": several(text(), MOST_PLACES), "places": several(text(), MOST_PLACES), "user": text(200)},
}
RUNNER: dict[str, dict[str, Check]] = {
    GREETING: {"version": number(0, 2**31), "nonce": NONCE, "echo": NONCE, "user": text(200), "restricted": flag},
    MADE: {"missing": LACKS},
    TRYING: {"missing": LACKS},
    DONE: {"missing": LACKS},
    UNABLE: {"message": text(2000), "hint": text(1000)},
    STARTED: {"id": NUMBER, "pid": number(1, 2**32 - 1)},
    FAILED: {"id": NUMBER, "errno": number(0, 4096), "winerror": CODE, "message": text(2000), "file": text()},
    ENDED: {"id": NUMBER, "code": CODE, "user": COUNTED, "system": COUNTED, "peak": COUNTED},
    RETURNED: {"count": COUNTED, "first": text(2000)},
}
WITH_BYTES = (START,)
"""Frames that may have bytes after their head."""


def decoder(shapes: dict[str, dict[str, Check]]) -> Decoder:
    """A reader of the frames that ``OWNER`` or ``RUNNER`` says."""
    kinds = "".join(shapes)
    return Decoder(kinds, largest=MOST_FROM_RUNNER) if shapes is RUNNER else Decoder(kinds)


def checked(frame: Frame, shapes: dict[str, dict[str, Check]], *, among: str = "") -> dict[str, Any]:
    """The head of a frame that is exactly as it must be.  ``among`` are the kinds that may come now ('': all).

    Raises FrameError.
    """
    if among and frame.kind not in among:
        raise FrameError(f"a frame {frame.kind!r} came where one of {among!r} was to come")
    fields = shapes[frame.kind]
    if frame.head.keys() != fields.keys():
        raise FrameError(f"a frame {frame.kind!r} has not the fields that it must have")
    for name, check in fields.items():
        if not check(frame.head[name]):
            raise FrameError(f"a frame {frame.kind!r} has a {name!r} that cannot be")
    if frame.raw and frame.kind not in WITH_BYTES:
        raise FrameError(f"a frame {frame.kind!r} has bytes after its head")
    return frame.head


def made(kind: str, **head: Any) -> bytes:
    """The bytes of a frame without bytes after its head."""
    return encode(kind, head)


def shown(told: str, most: int = 400) -> str:
    """Text of the other side as it may be shown to people: one line, nothing that a terminal obeys."""
    line = "".join([one if one.isprintable() else "?" for one in told[:most]])
    return line + ("..." if len(told) > most else "")


__all__ = ["OWNER", "RUNNER", "VERSION", "checked", "decoder", "made", "shown"]

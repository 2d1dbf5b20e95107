"""Frames: how two processes that are not each other's friends say one thing after another over a stream of bytes.

Knows: the layout of a frame, and every way in which it can be wrong.  Must not know: what a frame means, where the
bytes come from, any platform.

    4 bytes   how many bytes follow, little-endian
    1 byte    the kind, a letter
    4 bytes   how many of them are the head, little-endian
    head      one JSON object (RFC 8259), without floating point, each name once
    rest      raw bytes as they are

A reader gives a bound, and a frame beyond it is an error as soon as its first four bytes are there: nobody can make the
other side keep more than that.  After an error nothing of the stream means anything, and the reader says so for ever.
"""

from __future__ import annotations

from sidewall.errors import MachineError
from sidewall.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

LENGTH, FIXED = 4, 5
"""Bytes of a length; bytes of a frame besides that length, head and rest."""
LARGEST = 1 << 22
"""Bytes after the length, unless a reader wants fewer: command lines and environments of Windows fit."""
DEEPEST = 32
"""Nesting of arrays and objects in a head."""


class FrameError(MachineError):
    """The bytes are no frame, or the frame is not one that was to come; the connection is of no use any more."""


class Frame(Record):
    """One frame: its ``kind``, one ASCII letter; its ``head``; what follows it, ``raw``."""

    kind: str
    head: dict[str, Any]
    raw: bytes = b""


def encode(kind: str, head: Mapping[str, Any], raw: bytes = b"", *, largest: int = LARGEST) -> bytes:
    """The bytes of one frame.  Raises FrameError for one that is too long, or whose head is not JSON."""
    import json

    try:
        text = json.dumps(dict(head), allow_nan=False, separators=(",", ":")).encode("ascii")
    except (TypeError, ValueError, RecursionError) as error:
        raise FrameError(f"a frame's head cannot be written as JSON: {error}") from None
    size = FIXED + len(text) + len(raw)
    if size > largest:
        raise FrameError(f"a frame of {size} bytes is longer than {largest}",
                         hint="shorten the command line or the environment")
    return b"".join((size.to_bytes(LENGTH, "little"), kind.encode("ascii"), len(text).to_bytes(LENGTH, "little"), text,
                     raw))


class Decoder:
    """The frames of a stream, from pieces of any size.  ``kinds`` are the letters that may come."""

    def __init__(self, kinds: str, *, largest: int = LARGEST) -> None:
        self._kinds = kinds.encode("ascii")
        self._largest = largest
        self._data = bytearray()
        self._broken = ""

    @property
    def inside(self) -> bool:
        """Whether the stream would end in the middle of a frame, if it ended now."""
        return bool(self._data)

    def feed(self, data: bytes) -> Iterable[Frame]:
        """The frames that are complete with these bytes.  Raises FrameError, from then on at every call."""
        if self._broken:
            raise FrameError(self._broken)
        self._data += data
        found: list[Frame] = []
        try:
            while (frame := self._next()) is not None:
                found.append(frame)
        except FrameError as error:
            self._broken = error.message
            self._data.clear()
            raise
        return found

    def _next(self) -> Frame | None:
        data = self._data
        if len(data) < LENGTH:
            return None
        size = int.from_bytes(data[:LENGTH], "little")
        if not FIXED <= size <= self._largest:
            raise FrameError(f"a frame of {size} bytes is not between {FIXED} and {self._largest}")
        if len(data) > LENGTH and data[LENGTH] not in self._kinds:
            raise FrameError(f"a frame of a kind that does not come here ({data[LENGTH]})")
        begin = LENGTH + FIXED
        if len(data) < begin:
            return None
        head = int.from_bytes(data[LENGTH + 1 : begin], "little")
        if head > size - FIXED:
            raise FrameError(f"a frame's head of {head} bytes is longer than the frame")
        if len(data) < LENGTH + size:
            return None
        try:
            told = _object(bytes(data[begin : begin + head]))
        except (ValueError, RecursionError) as error:
            raise FrameError(f"a frame's head cannot be read: {_short(error)}") from None
        frame = Frame(kind=chr(data[LENGTH]), head=told, raw=bytes(data[begin + head : LENGTH + size]))
        del data[: LENGTH + size]
        return frame


def _object(data: bytes) -> dict[str, Any]:
    """The JSON object that these bytes are.  Raises ValueError, RecursionError."""
    import json

    told = json.loads(data.decode("utf-8"), object_pairs_hook=_once, parse_float=_refused, parse_constant=_refused)
    if not isinstance(told, dict):
        raise ValueError("it is no object")
    _shallow(told, 0)
    return told


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a name is there twice")
    return made


def _refused(text: str) -> Any:
    raise ValueError(f"{text[:20]} is not a whole number")


def _shallow(value: Any, depth: int) -> None:
    if depth > DEEPEST:
        raise ValueError("it is nested too deeply")
    if isinstance(value, (dict, list)):
        for inner in value.values() if isinstance(value, dict) else value:
            _shallow(inner, depth + 1)


def _short(error: BaseException) -> str:
    return str(error)[:120] if isinstance(error, ValueError) else "it is nested too deeply"


__all__ = ["LARGEST", "Decoder", "Frame", "FrameError", "encode"]

"""What happens after a command has ended: the trusted side settles, a failure is explained, a result is made.

Knows: the order of these.  Must not know: how output was read.
"""

from __future__ import annotations

import time

from sidewall.session import changes
from sidewall.session.types import CalledProcessError, Completed, TimeoutExpired

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

    from sidewall.platforms.contract import Attempt, Cell, Exit
    from sidewall.session.changes import Change, Snapshot
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
    return changes.held(cell.settle()), cell.attempts()


def explain(opening: Opening, returncode: int, attempts: tuple[Attempt, ...], cwd: str | bytes | None,
            *streams: bytes | None) -> tuple[Denial, ...]:
    """Why it failed, as far as the policy is the reason; nothing for a success."""
    if not returncode:
        return ()
    from sidewall.session import denials

    output = b"\n".join([stream[-TAIL:] for stream in streams if stream])
    return denials.explain(opening.policy, returncode, output, attempts, cwd)


def completed(opening: Opening, cell: Cell, args: Any, end: Exit, *, cwd: str | bytes | None, out: bytes | None,
              err: bytes | None, text: Text, timed_out: bool, truncated: bool, started: float,
              before: Snapshot | None) -> Completed:
    """The result of a command that has ended.

    Raises:
        MachineError: the trusted side could not settle; ``completed`` of the error is the result all the same.
    """
    result = Completed(args, end.returncode, decode(out, text), decode(err, text), timed_out=timed_out,
                       truncated=truncated, guarantees=opening.guarantees, duration=time.monotonic() - started,
                       usage=end, session_id=opening.session_id)
    try:
        acts, attempts = settle(cell)
    except Exception as error:
        error.completed = result  # type: ignore[attr-defined]  # so that no output is lost
        raise
    if before is not None:
        acts = changes.difference(before, changes.scan(opening.policy.workspace)) + acts
    result.changes = acts
    result.denials = explain(opening, end.returncode, attempts, cwd, out, err)
    return result


def delivered(result: Completed, *, check: bool, timeout: float | None, expired: bool) -> Completed:
    """The result, or the error that the caller asked for instead.

    Raises:
        TimeoutExpired: the call's own ``timeout`` passed.
        CalledProcessError: ``check`` was asked for and the return code is not 0.
    """
    if expired and timeout is not None:
        raise TimeoutExpired(result.args, timeout, result.stdout, result.stderr, completed=result)
    if check and result.returncode:
        raise CalledProcessError(result)
    return result

"""The events of the audit log, and their one line of JSON.

Knows: which fields an event has.  Must not know: files, locks, clocks.

What is never recorded: values of environment variables, what a command printed, the contents of files.  Arguments of a
command may hold secrets (``curl -H 'Authorization: ...'``), so only the program and the number of arguments are
recorded; a digest of them is left out too, because a short secret can be guessed from it.  A person who wants the
arguments asks for them (``SIDEWALL_AUDIT_ARGV=1``).

The writer of JSON is ours because ``json`` imports ``re`` and ``enum``, which cost more than the rest of a run.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from sidewall.plan.steps import Plan

    Event = dict[str, Any]

SESSION_OPEN, COMMAND, EXIT, SESSION_CLOSE = "session_open", "command", "exit", "session_close"
KINDS = (SESSION_OPEN, COMMAND, EXIT, SESSION_CLOSE)

_TEXT_LIMIT = 4096
_ARGUMENTS_LIMIT = 16384
_DENIALS_LIMIT = 20

_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def dumps(value: Any) -> str:
    """Compact JSON in ASCII of None, booleans, numbers, strings, sequences and mappings with string keys.

    Undecodable bytes in a string (surrogates) become escapes, so every name of a file can be written.
    Raises TypeError for anything else and for a number that JSON cannot say.
    """
    if value is None:
        return "null"
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            raise TypeError(f"not a JSON number: {value}")
        return float.__repr__(value)
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"not a JSON key: {key!r}")
        return "{" + ",".join([quote(key) + ":" + dumps(item) for key, item in value.items()]) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join([dumps(item) for item in value]) + "]"
    raise TypeError(f"not a JSON value: {type(value).__name__}")


def quote(text: str) -> str:
    """A JSON string in ASCII."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return '"' + "".join([_character(letter) for letter in text]) + '"'


def _character(letter: str) -> str:
    if letter in _ESCAPES:
        return _ESCAPES[letter]
    code = ord(letter)
    if 32 <= code < 127:
        return letter
    if code < 0x10000:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"


def text(value: str | bytes) -> str:
    """Bytes and strings as a string of bounded length; undecodable bytes become surrogates, as ``os.fsdecode`` does."""
    decoded = value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value
    return decoded if len(decoded) <= _TEXT_LIMIT else decoded[:_TEXT_LIMIT] + "..."


def session_open(session: str, plan: Plan) -> Event:
    """A cell was opened: its plan's digest, tier and guarantees by name."""
    return {
        "event": SESSION_OPEN,
        "session": session,
        "policy": plan.policy.name,
        "workspace": text(plan.policy.workspace),
        "plan": plan.digest,
        "tier": plan.tier,
        "guarantees": {line.name: line.level for line in plan.guarantees},
    }


def command(session: str, argv: Sequence[str | bytes], *, number: int = 1, arguments: bool = False) -> Event:
    """A command is started, the ``number``-th of its session; ``arguments`` records them all."""
    event: Event = {
        "event": COMMAND,
        "session": session,
        "number": number,
        "program": text(argv[0]),
        "arguments": len(argv) - 1,
    }
    if arguments:
        event["argv"] = _bounded(text(argument) for argument in argv)
    return event


def _bounded(arguments: Iterable[str]) -> list[str]:
    kept: list[str] = []
    room = _ARGUMENTS_LIMIT
    for argument in arguments:
        room -= len(argument)
        if room < 0:
            kept.append("...")
            break
        kept.append(argument)
    return kept


def command_exit(session: str, *, number: int = 1, returncode: int, seconds: float, timed_out: bool = False,
                 denials: Iterable[dict[str, Any]] = ()) -> Event:
    """A command ended.  ``returncode`` as in subprocess: negative is a signal; ``denials`` as ``Denial.to_dict``."""
    return {
        "event": EXIT,
        "session": session,
        "number": number,
        "returncode": returncode,
        "seconds": round(seconds, 6),
        "timed_out": timed_out,
        "denials": [_texts(denial) for denial in list(denials)[:_DENIALS_LIMIT]],
    }


def _texts(value: Any) -> Any:
    if isinstance(value, (str, bytes)):
        return text(value)
    if isinstance(value, dict):
        return {key: _texts(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_texts(item) for item in value]
    return value


def session_close(session: str, *, error: str = "") -> Event:
    """A cell was closed; ``error`` says in one line why it did not end in the ordinary way."""
    event: Event = {"event": SESSION_CLOSE, "session": session}
    if error:
        event["error"] = text(error)
    return event

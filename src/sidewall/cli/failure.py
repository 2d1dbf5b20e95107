"""What goes to a person when something went wrong: ``sidewall: error: ...`` and one ``sidewall: hint: ...``.

Knows: the two lines, and that names come from a hostile workspace.  Must not know: why something went wrong.
Lines go straight to descriptor 2: they must come out whole when ``sys.stderr`` is closed, blocked or half torn down.
"""

from __future__ import annotations

import os

from sidewall.errors import InternalError, SidewallError

USAGE, TIMED_OUT, SANDBOX, NOT_EXECUTABLE, NOT_FOUND = 2, 124, 125, 126, 127
INTERRUPTED = 130


def clean(text: str) -> str:
    """``text`` on one line that cannot steer a terminal: whatever is not printable becomes an escape."""
    if text.isprintable():
        return text
    return "".join([letter if letter.isprintable() else _escape(letter) for letter in text])


def _escape(letter: str) -> str:
    code = ord(letter)
    if 0xDC80 <= code <= 0xDCFF:  # an undecodable byte of a file's name
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def say(kind: str, text: str) -> None:
    """One line ``sidewall: kind: text`` on standard error.  A closed or full one is not an error."""
    data = f"sidewall: {kind}: {clean(text)}\n".encode("utf-8", "backslashreplace")
    try:
        while data:
            data = data[os.write(2, data):]
    except OSError:
        pass


def report(error: SidewallError) -> int:
    """Says the error and its hint; the exit code."""
    say("error", str(error))
    if error.hint:
        say("hint", error.hint)
    return error.exit_code


def internal(error: BaseException) -> InternalError:
    """An error that nobody foresaw, as one that can be shown; its place is the innermost line of ours."""
    place = ""
    frame = error.__traceback__
    while frame is not None:
        name = frame.tb_frame.f_code.co_filename
        if "sidewall" in name:
            place = f" ({os.path.basename(name)}:{frame.tb_lineno})"
        frame = frame.tb_next
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return InternalError(f"internal error: {what}{place}",
                         hint="please report it; SIDEWALL_DEBUG=1 shows where it came from")


def debugging() -> bool:
    """Whether tracebacks are wanted."""
    return os.environ.get("SIDEWALL_DEBUG", "") not in ("", "0")


def traceback(error: BaseException) -> None:
    """The traceback on standard error, for the people who asked for it."""
    import traceback as printer

    lines = "".join(printer.format_exception(type(error), error, error.__traceback__))
    try:
        os.write(2, lines.encode("utf-8", "backslashreplace"))
    except OSError:
        pass

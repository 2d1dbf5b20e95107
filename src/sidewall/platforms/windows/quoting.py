"""Argument vectors as command lines: for programs that split them by Microsoft's rules, for cmd.exe, for batch files.

Knows: "Parsing C command-line arguments" of the C run-time, how cmd.exe reads a line.  Must not know: files, processes.

Windows gives a program one line, and every program splits it itself.  cmd.exe splits by rules of its own and runs what
follows a ``&``, so an argument for a batch file is a piece of a program unless it is quoted for both readers at once;
what cannot be is refused.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789#$*+-./:?@\\_")
"""ASCII characters that mean nothing to cmd.exe."""
NOTHING = "%cd:~,%"
"""No characters of the current directory: what cmd.exe puts in its place is empty, and the sign before it stays."""
BATCH_OPTIONS = "/d /e:on /v:off /s /c"
"""No AutoRun from the registry; extensions on, which NOTHING needs; ``!`` is a character; the line's own quotes go."""
LINES = ("/c", "/k", "/r")
"""After these cmd.exe takes all that follows as a line of its own language."""


class Unquotable(ValueError):
    """An argument that no quoting brings through cmd.exe as it is."""


def join(words: Sequence[str]) -> str:
    """The line that a program splits into these words by the rules of the C run-time."""
    return " ".join([word(text) for text in words])


def word(text: str) -> str:
    """One word of such a line: a quotation mark, and the backslashes before it or at a quoted end, are escaped."""
    if text and not any(character in text for character in ' \t\n\v"'):
        return text
    parts = ['"']
    backslashes = 0
    for character in text:
        if character == "\\":
            backslashes += 1
            continue
        if character == '"':
            parts.append("\\" * (2 * backslashes + 1))
        else:
            parts.append("\\" * backslashes)
        parts.append(character)
        backslashes = 0
    return "".join(parts) + "\\" * (2 * backslashes) + '"'


def shell(words: Sequence[str]) -> str:
    """The line for cmd.exe itself: ``words`` are what the caller says, its name first.

    One argument after ``/c`` is a line of cmd.exe's language and reaches it as it is, quotation marks too.  Several
    are joined as for any other program.
    """
    for place, text in enumerate(words[1:], 1):
        if text.lower() in LINES:
            if len(words) == place + 2:
                # With /s it takes away the first and the last quotation mark of the line, and no others.
                before = [word(words[0]), *words[1:place]]
                return f'{" ".join(before)} /s {text} "{words[-1]}"'
            break
        if not text.startswith("/"):
            break
    return join(words)


def batch(interpreter: str, script: str, arguments: Sequence[str]) -> str:
    """The line with which cmd.exe (``interpreter``, a full path) runs a batch file with these arguments.

    Raises Unquotable for a character that would end the line or an argument's quoting, and for a script whose path
    cmd.exe would read as something else.
    """
    if any(character in script for character in '"%\r\n\0') or script.endswith("\\"):
        raise Unquotable(f"the path of the batch file cannot be given to cmd.exe: {script!r}")
    parts = [f'"{script}"', *[_argument(text) for text in arguments]]
    return f'{word(interpreter)} {BATCH_OPTIONS} "{" ".join(parts)}"'


def _argument(text: str) -> str:
    """One argument for a batch file, which hands it on to a program: right for cmd.exe and for the C run-time."""
    for character in "\r\n\0":
        if character in text:
            raise Unquotable(f"an argument for a batch file has a line end or a zero in it: {text!r}")
    quoted = not text or text.endswith("\\") or any(_means_something(character) for character in text)
    if not quoted:
        return text
    parts = ['"']
    backslashes = 0
    for character in text:
        if character == '"':
            # Doubled, it neither begins nor ends quoting for cmd.exe, and is one mark for the program.
            parts.append("\\" * backslashes + '"')
        parts.append("%" + NOTHING if character == "%" else character)
        backslashes = backslashes + 1 if character == "\\" else 0
    return "".join(parts) + "\\" * backslashes + '"'


def _means_something(character: str) -> bool:
    return character not in PLAIN if character < "\x80" else not character.isprintable()


__all__ = ["BATCH_OPTIONS", "Unquotable", "batch", "join", "shell", "word"]

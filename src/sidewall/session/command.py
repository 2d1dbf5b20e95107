"""The arguments of a call become what a cell's ``spawn`` wants: argument vector, directory, environment.

Knows: how ``subprocess`` reads ``args``, ``shell``, ``cwd`` and ``env``.  Must not know: cells, descriptors.
An argument vector is literal: nothing here splits, quotes or expands; a shell is used only when asked for.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TypeAlias

    Word: TypeAlias = str | bytes
    PathLike: TypeAlias = str | bytes | os.PathLike[str] | os.PathLike[bytes]
    Arguments: TypeAlias = PathLike | Sequence[PathLike]

def shell_vector(words: list[Word]) -> list[Word]:
    """What runs a line of the system's shell: ``/bin/sh -c``, as ``subprocess`` has it, or cmd.exe on Windows.

    The first of ``words`` is the line; further ones are arguments of ``/bin/sh``, or on Windows make up the line with
    the first.
    """
    if sys.platform != "win32":
        return ["/bin/sh", "-c", *words]
    line = os.fsdecode(words[0])
    if len(words) > 1:
        from subprocess import list2cmdline

        line = list2cmdline([os.fsdecode(word) for word in words])
    return [windows_shell(), "/d", "/c", line]


def windows_shell() -> str:
    """The full path of cmd.exe: nothing of that name in the workspace is meant."""
    named = os.environ.get("COMSPEC", "")
    if os.path.isabs(named):
        return named
    return os.path.join(os.environ.get("SYSTEMROOT", "C:\\Windows"), "System32", "cmd.exe")



def vector(args: Arguments, *, shell: bool) -> list[Word]:
    """The argument vector, as ``subprocess`` on POSIX reads ``args``.

    A string is one program's name, or with ``shell`` one line for the system's shell.

    Raises:
        ValueError: no arguments, or a NUL in one.
        TypeError: an argument is neither a string, bytes nor a path.
    """
    if isinstance(args, (str, bytes, os.PathLike)):
        words: list[Word] = [os.fspath(args)]
    else:
        words = [word if word.__class__ is str else os.fspath(word) for word in args]
    if not words:
        raise ValueError("the command is empty")
    for word in words:
        if ("\0" in word) if isinstance(word, str) else (b"\0" in word):
            raise ValueError("embedded null byte")
    if shell:
        return shell_vector(words)
    return words


def directory(cwd: PathLike | None, workspace: str) -> Word | None:
    """The directory to start in; a relative one counts from the workspace.

    Raises:
        ValueError: a NUL in it.
    """
    if cwd is None:
        return None
    path = os.fsdecode(cwd)
    if "\0" in path:
        raise ValueError("embedded null byte")
    return os.path.join(workspace, path)


def environment(env: Mapping[str, str] | Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """The variables in bytes.

    Raises:
        ValueError: a NUL, or an equals sign in a name.
    """
    variables = {os.fsencode(name): os.fsencode(value) for name, value in env.items()}
    for name, value in variables.items():
        if b"=" in name or not name:
            raise ValueError("illegal environment variable name")
        if b"\0" in name or b"\0" in value:
            raise ValueError("embedded null byte")
    return variables

"""Which file a program's name means: PATH and PATHEXT of the command's own environment, and nothing implicit.

Knows: the search of cmd.exe without the current directory, app-execution aliases, kinds of program by their ending.
Must not know: how a process is made.  What is on the disk comes in as a function, so that a tree in memory will do.

CreateProcess looks into the caller's directory and the current one first, and takes what lies in a workspace for
``git``.  Here only absolute entries of PATH count.  An app-execution alias (a file of no length in WindowsApps) hands
its start to a service of the system, which leaves the command's token and job behind: it is passed over.
"""

from __future__ import annotations

import errno
import os

from sidewall.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeAlias

    Look: TypeAlias = Callable[[str], str]
    """What is at a path: ``FILE``, ``DIRECTORY``, ``ALIAS``, or ``NOTHING``."""

FILE, DIRECTORY, ALIAS, NOTHING = "file", "directory", "alias", ""
EXTENSIONS = ".COM;.EXE;.BAT;.CMD"
"""PATHEXT where the environment has none."""
BATCH = (".bat", ".cmd")
IMAGES = (".exe", ".com")
_ALIAS_TAG = 0x8000001B
_REPARSE, _DIRECTORY = 0x400, 0x10


class Program(Record):
    """What to start: ``path`` is full; ``batch`` says that cmd.exe must read it."""

    path: str
    batch: bool = False


def find(name: str, environment: Mapping[str, str], directory: str, look: Look | None = None) -> Program:
    """The program of this name.  ``environment`` has upper-case names; ``directory`` is where the command starts.

    A name with a path in it counts from ``directory``; another one is looked for in PATH.

    Raises:
        FileNotFoundError: there is none.
        PermissionError: there is something of that name, which is no program (a directory, an alias of a store app,
            a document).
    """
    look = look or look_at_disk
    extensions = [each.lower() for each in (environment.get("PATHEXT") or EXTENSIONS).split(";") if each[:1] == "."]
    refused = ""
    if any(mark in name for mark in "\\/:"):
        places = [_join(directory, name)]
    else:
        places = [_join(entry, name) for entry in search_path(environment)]
    for place in places:
        for path in _candidates(place, extensions):
            found = look(path)
            if found == FILE:
                return _program(path)
            if found in (ALIAS, DIRECTORY):
                refused = refused or found
    if refused == ALIAS:
        raise PermissionError(errno.EACCES, "an alias of a store app, which would start it outside the sandbox: "
                              "install the program itself", name)
    if refused and places == [_join(directory, name)]:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), name)
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)


def search_path(environment: Mapping[str, str]) -> list[str]:
    """The directories of PATH that stand for one place whatever the current directory is, each once.

    Without any PATH it is the system's own, as without one on other systems.
    """
    if "PATH" not in environment:
        root = environment.get("SYSTEMROOT", "").rstrip("\\")
        return [root + "\\System32", root] if root else []
    entries = [entry.strip().strip('"') for entry in environment.get("PATH", "").split(";")]
    return list(dict.fromkeys([entry for entry in entries if _absolute(entry)]))


def _absolute(path: str) -> bool:
    slashed = path.replace("/", "\\")
    return slashed[1:3] == ":\\" or (slashed[:2] == "\\\\" and len(slashed) > 2)


def _join(directory: str, name: str) -> str:
    """Both as one path, as the system reads ``name`` in ``directory``; parts that go up are taken out."""
    name, directory = name.replace("/", "\\"), directory.replace("/", "\\")
    if _absolute(name):
        return _tidy(name)
    if name[1:2] == ":":
        # C:x counts from a current directory that each drive has; the only one known is the command's own.
        name = name[2:] if name[:1].lower() == directory[:1].lower() else name[:2] + "\\" + name[2:]
        if name[1:2] == ":":
            return _tidy(name)
    if name[:1] == "\\":
        return _tidy(directory[:2] + name)
    return _tidy(directory.rstrip("\\/") + "\\" + name)


def _tidy(path: str) -> str:
    head, rest = (path[:2], path[2:]) if path[:2] != "\\\\" else ("\\\\", path[2:])
    parts: list[str] = []
    for part in rest.split("\\"):
        if part == "..":
            if parts and parts[-1]:
                parts.pop()
        elif part != "." and (part or not parts):
            parts.append(part)
    return head + "\\".join(parts)


def _candidates(place: str, extensions: list[str]) -> list[str]:
    """The path as it is, where it has an ending, then with each of PATHEXT."""
    ending = _ending(place)
    added = [place + extension for extension in extensions]
    return [place, *added] if ending else [*added, place]


def _ending(path: str) -> str:
    last = path.rpartition("\\")[2]
    return last[last.rindex("."):].lower() if "." in last.lstrip(".") else ""


def _program(path: str) -> Program:
    # Windows drops what dots and blanks stand at the end of a name, so the file may be a batch file all the same.
    ending = _ending(path.rstrip(". "))
    if ending in BATCH:
        return Program(path=path, batch=True)
    if ending in IMAGES or not ending:
        return Program(path=path)
    raise PermissionError(errno.ENOEXEC, "a document, not a program: name the program that opens it", path)


def look_at_disk(path: str) -> str:
    """What is at a path of this machine.  Links are followed; an alias of a store app is not."""
    try:
        info = os.lstat(path)
    except (OSError, ValueError):
        return NOTHING
    attributes = getattr(info, "st_file_attributes", 0)
    if attributes & _REPARSE:
        if getattr(info, "st_reparse_tag", 0) == _ALIAS_TAG:
            return ALIAS
        try:
            info = os.stat(path)
        except (OSError, ValueError):
            return NOTHING
        attributes = getattr(info, "st_file_attributes", 0)
    return DIRECTORY if attributes & _DIRECTORY else FILE


__all__ = ["ALIAS", "DIRECTORY", "EXTENSIONS", "FILE", "NOTHING", "Program", "find", "look_at_disk", "search_path"]

"""Finds the other names under which mounts show what a policy denies: a home that is bound to a second place.

Knows: proc(5), mountinfo: which part of which file system each mount shows.  Must not know: what a policy denies, or
how it is hidden.  Hard links are not found: a file system does not tell where they are.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    Mount = tuple[str, str, str]


def other_names(paths: Iterable[str]) -> tuple[str, ...]:
    """For absolute paths, present or not, the paths by which other mounts lead to the same; none on most machines."""
    mounts = _mounts()
    shown: dict[str, list[Mount]] = {}
    for mount in mounts:
        shown.setdefault(mount[0], []).append(mount)
    shown = {device: group for device, group in shown.items() if len(group) > 1}
    if not shown:
        return ()
    found: dict[str, None] = {}
    real: dict[str, str] = {}
    for path in paths:
        parent, _, name = path.rpartition("/")
        if parent not in real:
            real[parent] = os.path.realpath(parent or "/").rstrip("/")
        place = f"{real[parent]}/{name}"
        own = _holding(place, mounts)
        if own is None or own[0] not in shown:
            continue
        inner = _join(own[1], place[len(own[2].rstrip("/")):])
        for _device, root, point in shown[own[0]]:
            if _within(root, inner):
                # It shows nothing else.
                if not _within(point, place):
                    found[point] = None
            elif _within(inner, root):
                other = _join(point, inner[len(root.rstrip("/")):])
                if other != place and _same(os.path.dirname(other), real[parent] or "/"):
                    found[other] = None
    return tuple(found)


def _mounts() -> list[Mount]:
    """(device, directory of the file system, mount point) of every mount, the earliest first."""
    found = []
    try:
        with open("/proc/self/mountinfo", "rb") as table:
            for line in table:
                fields = line.split(b" ", 5)
                found.append((os.fsdecode(fields[2]), _plain(fields[3]), _plain(fields[4])))
    except (OSError, IndexError):
        return []
    return found


def _plain(text: bytes) -> str:
    """A path without the escapes for blanks, tabs, newlines and backslashes."""
    for escape, letter in ((b"\\040", b" "), (b"\\011", b"\t"), (b"\\012", b"\n"), (b"\\134", b"\\")):
        if escape in text:
            text = text.replace(escape, letter)
    return os.fsdecode(text)


def _holding(path: str, mounts: list[Mount]) -> Mount | None:
    """The mount that a path lies on: the nearest, of several at one point the last."""
    held: Mount | None = None
    for mount in mounts:
        if _within(path, mount[2]) and (held is None or len(mount[2]) >= len(held[2])):
            held = mount
    return held


def _within(path: str, above: str) -> bool:
    return path == above or above == "/" or path.startswith(above + "/")


def _join(above: str, below: str) -> str:
    return above.rstrip("/") + "/" + below.strip("/") if below.strip("/") else above


def _same(one: str, other: str) -> bool:
    """Whether both are the same directory: what a later mount covers is not."""
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False

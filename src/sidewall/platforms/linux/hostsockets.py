"""Finds a unix socket that a policy names: where it really lies, and every link on the way.

Knows: lstat(2), readlink(2), /proc/net/unix (proc(5)).  Must not know: what follows from a link (``plan`` does).
"""

from __future__ import annotations

import os
import stat

from sidewall.plan import facts as fact
from sidewall.plan.facts import SocketFact

_MOST_LINKS = 40
_DATAGRAM = 2


def look(path: str) -> SocketFact:
    """One socket.  What does not exist, or goes round in circles, is ``missing``."""
    at = ""
    through: list[str] = []
    names = path.split("/")[::-1]
    while names:
        name = names.pop()
        if name in ("", "."):
            continue
        if name == "..":
            at = at.rpartition("/")[0]
            continue
        here = f"{at}/{name}"
        try:
            info = os.lstat(here)
            if not stat.S_ISLNK(info.st_mode):
                at = here
                continue
            target = os.readlink(here)
        except OSError:
            real = os.path.normpath("/".join([here, *names[::-1]]))
            return SocketFact(path=path, real=real, through=tuple(through))
        if len(through) >= _MOST_LINKS:
            return SocketFact(path=path, real=path, through=tuple(through))
        through.append(at or "/")
        at = "" if target.startswith("/") else at
        names += target.split("/")[::-1]
    try:
        info = os.lstat(at or "/")
    except OSError:
        return SocketFact(path=path, real=at, through=tuple(through))
    kind = fact.SOCKET if stat.S_ISSOCK(info.st_mode) else fact.DIRECTORY if stat.S_ISDIR(info.st_mode) else fact.OTHER
    return SocketFact(path=path, real=at or "/", kind=kind, device=info.st_dev, inode=info.st_ino,
                      through=tuple(through), datagram=kind == fact.SOCKET and _takes_datagrams(at))


def _takes_datagrams(path: str) -> bool:
    """Whether what is bound there now is a datagram socket, as far as this network namespace tells."""
    try:
        with open("/proc/net/unix", "rb") as table:
            rows = [line.rstrip(b"\n").split(None, 7) for line in table]
    except OSError:
        return False
    kinds = [int(row[4], 16) for row in rows if len(row) == 8 and row[7] == os.fsencode(path)]
    return bool(kinds) and set(kinds) == {_DATAGRAM}

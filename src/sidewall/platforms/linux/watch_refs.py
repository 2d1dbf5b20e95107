"""References that lead git elsewhere: a symbolic one may name any path, and `git commit` then writes a file there.

Knows: loose references, and the files directly in a git directory that git takes for references (HEAD, ORIG_HEAD).
Must not know: which git directories there are; what else in them git obeys (``watch_state``).
"""

from __future__ import annotations

import os
import re
import stat

from sidewall.platforms.linux.watch_record import ALL, Recorded, look, read, settled, signature

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from sidewall.platforms.linux.gitfiles import Tree
    from sidewall.platforms.linux.watch_record import Signature
    from sidewall.platforms.linux.watch_restore import Restorer

MOST = 50_000
LARGEST = 4096
_DEEPEST = 50
_NAME = re.compile(r"[A-Z][A-Z_]*HEAD|HEAD|AUTO_MERGE|MERGE_AUTOSTASH|BISECT_EXPECTED_REV")
_SYMBOLIC = re.compile(rb"\s*ref:\s*")
_PLAIN_HEAD = b"ref: refs/heads/main\n"


def leads_astray(data: bytes) -> bool:
    """Whether this content of a reference names something that is no reference."""
    found = _SYMBOLIC.match(data)
    if found is None:
        return False
    target = data[found.end():].rstrip()
    return not target.startswith(b"refs/") or b".." in target.split(b"/") or b"\0" in target


class References:
    """The references of one git directory: those that were there, or were found right, and HEAD as it was."""

    __slots__ = ("_head", "_known")

    def __init__(self) -> None:
        self._known: dict[str, Signature] = {}
        self._head = _PLAIN_HEAD

    def record(self, tree: Tree) -> None:
        """Remembers what there is; that is the user's.  Never raises OSError."""
        for path, above, name in _all(tree):
            try:
                status = look(above, name)
                if status is not None:
                    self._known[path] = signature(status)
                if path == "HEAD":
                    found = read(above, name, LARGEST)
                    self._head = found[0] if found is not None else _PLAIN_HEAD
            except OSError:
                continue

    def check(self, tree: Tree, shown: str, restorer: Restorer) -> None:
        """Takes away what leads git elsewhere; HEAD becomes what it was, since without it git would look for another
        repository above.  Never raises OSError."""
        from sidewall.platforms.linux.watch_restore import PUT_BACK

        for path, above, name in _all(tree):
            where = f"{shown}/{path}"
            with restorer.guard(where):
                status = look(above, name)
                if status is None or not stat.S_ISREG(status.st_mode) or self._known.get(path) == signature(status):
                    continue
                found = read(above, name, LARGEST)
                if found is not None and not leads_astray(found[0]):
                    if settled(status):
                        self._known[path] = signature(status)
                    continue
                reason = "git would write where it leads" if found is not None else "it is no reference"
                if path == "HEAD":
                    was = Recorded(ALL, status)
                    was.data = self._head
                    kept = restorer.write(above, name, was, where)
                    restorer.say(PUT_BACK, where, f"{reason}; moved to {kept}")
                elif found is not None:
                    restorer.take(above, name, where, reason)


def _all(tree: Tree) -> Iterator[tuple[str, int, str]]:
    """Path, directory and name of what may be a reference, within bounds."""
    left = MOST
    waiting = ["", "refs"]
    for place in waiting:
        try:
            with os.scandir(tree.directory(place)) as entries:
                found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
        except OSError:
            continue
        for name, is_directory in found:
            path = f"{place}/{name}" if place else name
            if not place and not _NAME.fullmatch(name):
                continue
            left -= 1
            if left < 0:
                return
            if is_directory:
                if place and path.count("/") < _DEEPEST:
                    waiting.append(path)
                continue
            try:
                above = tree.directory(place)
            except OSError:
                break
            yield path, above, name

"""Names that no access list holds while they are absent: looked for after commands, and put away.

Knows: notifications of changed names, which entries were there before.  Must not know: why a name is protected.

An access list cannot tell one new name in a directory from another, so deep in a writable tree a command can make
``.vscode``.  What was made so is renamed in its place, and said: nothing is lost, and nothing acts upon it.  That is
done when no process of the cell runs, so that what is found is what stays, and below open directories, since a command
of another cell in the same workspace may run.  When no name has changed since the last time, nothing is looked through.
"""

from __future__ import annotations

import os

from sidewall.plan.world import place
from sidewall.platforms.contract import Held
from sidewall.platforms.windows.constants_files import (
    FILE_ATTRIBUTE_REPARSE_POINT,
    FILE_NOTIFY_CHANGE_DIR_NAME,
    FILE_NOTIFY_CHANGE_FILE_NAME,
)
from sidewall.platforms.windows.constants_process import WAIT_OBJECT_0
from sidewall.platforms.windows.errors import ApiError
from sidewall.platforms.windows.facts_below import MOST_DIRECTORIES, UNSEARCHED
from sidewall.platforms.windows.store import StoreError
from sidewall.platforms.windows.store_win32 import Win32Store
from sidewall.platforms.windows.win32_paths import verbatim

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sidewall.plan.steps import Watch
    from sidewall.platforms.windows.api import Api
    from sidewall.platforms.windows.handles import Handle

PUT_AWAY, NOTICED = "put back", "noticed"
EVENTS = FILE_NOTIFY_CHANGE_FILE_NAME | FILE_NOTIFY_CHANGE_DIR_NAME
GIT = ".git"


class Watcher:
    """What the Watch steps of a plan ask for; made after everything that the cell itself makes.

    ``held`` says at which paths cells hold an absent name at that moment.
    """

    def __init__(self, api: Api, steps: tuple[Watch, ...], held: Callable[[], frozenset[str]]) -> None:
        self._api = api
        self._held = held
        self._steps = steps
        self._changes: list[Handle] = []
        self._blind = False
        self._due = False
        roots = {place(root): root for step in steps for root in step.roots}
        for key, root in roots.items():
            if not any(key.startswith(other + "\\") for other in roots):
                self._watch(root)
        self._known = {place(path) for path in self._present()}

    def _watch(self, root: str) -> None:
        try:
            self._changes.append(self._api.kernel32.FindFirstChangeNotificationW(root, EVENTS))
        except ApiError:
            self._blind = True  # then every command is followed by a look

    def settle(self, calm: Callable[[], bool]) -> tuple[Held, ...]:
        """What was put away.  ``calm``, asked when there is something to do: no process of the cell runs; else it is
        left for later."""
        self._due |= self._changed()
        if not self._due or not calm():
            return ()
        self._due = False
        new = [path for path in self._present() if place(path) not in self._known]
        others = frozenset([place(path) for path in self._held()]) if new else frozenset()
        return tuple([self._put_away(path) for path in new if place(path) not in others])

    def _changed(self) -> bool:
        """Whether a name has changed since the last time.  Each notification is asked, so that none stays set."""
        kernel, changed = self._api.kernel32, self._blind
        for changes in self._changes:
            if kernel.WaitForSingleObject(changes, 0) == WAIT_OBJECT_0:
                changed = True
                kernel.FindNextChangeNotification(changes)
        return changed

    def _present(self) -> list[str]:
        """The entries with a watched name that are there now."""
        return list(dict.fromkeys([path for step in self._steps for root in step.roots
                                   for path in _named(root, frozenset(map(place, step.names)))]))

    def _put_away(self, path: str) -> Held:
        aside = f"{path}.sidewall-{os.urandom(4).hex()}"
        try:
            # A command of another cell may exchange a directory on the way for a link at any moment.
            Win32Store(self._api).rename(path, aside.rpartition("\\")[2])
        except StoreError as error:
            self._due = True
            return Held(action=NOTICED, path=path,
                        reason=f"a protected name, made by a command, could not be put away: {error.message}")
        return Held(action=PUT_AWAY, path=path, reason=f"a protected name, made by a command; moved to {aside}")

    def close(self) -> None:
        """Ends the watching."""
        for changes in self._changes:
            changes.close()
        self._changes.clear()


def _named(root: str, names: frozenset[str]) -> Iterator[str]:
    """Entries below a root whose name is among these, breadth first, through no link."""
    queue = [root]
    for count, directory in enumerate(queue):
        if count >= MOST_DIRECTORIES:
            return
        try:
            with os.scandir(verbatim(directory)) as entries:
                listed = list(entries)
        except OSError:
            continue
        for entry in listed:
            path = f"{directory.rstrip(os.sep)}\\{entry.name}"
            if place(entry.name) in names:
                yield path
            elif entry.name.lower() not in UNSEARCHED and entry.name.lower() != GIT and _is_directory(entry):
                queue.append(path)


def _is_directory(entry: os.DirEntry[str]) -> bool:
    try:
        attributes = getattr(entry.stat(follow_symlinks=False), "st_file_attributes", 0)
        return not attributes & FILE_ATTRIBUTE_REPARSE_POINT and entry.is_dir(follow_symlinks=False)
    except OSError:
        return False


__all__ = ["Watcher"]

"""kernel32: being told that names in a directory tree have changed.

Knows: the calls of "Directory Management Functions" for notifications.  Must not know: which names matter.
"""

from __future__ import annotations

from sidewall.platforms.windows.handles import Handle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from sidewall.platforms.windows.dll import Dll
else:
    Protocol = object

PROTOTYPES = """
FILE_HANDLE FindFirstChangeNotificationW(PWSTR lpPathName, BOOL bWatchSubtree, FLAGS dwNotifyFilter);
BOOL FindNextChangeNotification(HANDLE hChangeHandle);
BOOL FindCloseChangeNotification(HANDLE hChangeHandle);
"""


class KernelChanges(Protocol):
    """Notifications.  Every call raises Win32Error."""

    def FindFirstChangeNotificationW(self, path: str, events: int, *, subtree: bool = True) -> Handle:
        """A handle that is signalled when something of FILE_NOTIFY_CHANGE_* has happened; wait for it."""

    def FindNextChangeNotification(self, changes: Handle) -> None:
        """Takes the signal back; what happened since the last time was noted and signals at once."""


class NativeChanges:
    """Those calls on the real DLL."""

    _dll: Dll

    def FindFirstChangeNotificationW(self, path: str, events: int, *, subtree: bool = True) -> Handle:
        value = self._dll.FindFirstChangeNotificationW(path, subtree, events)
        return Handle(value, self._dll.FindCloseChangeNotification, f"changes below {path}")

    def FindNextChangeNotification(self, changes: Handle) -> None:
        self._dll.FindNextChangeNotification(changes)


__all__ = ["PROTOTYPES", "KernelChanges", "NativeChanges"]

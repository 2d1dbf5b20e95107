"""kernel32: being told that names in a directory tree have changed, and which.

Knows: the calls of "Directory Management Functions" for notifications.  Must not know: which names matter.
"""

from __future__ import annotations

import ctypes

from sidewall.platforms.windows.handles import Handle
from sidewall.platforms.windows.kernel32_pipes import Pending

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
BOOL ReadDirectoryChangesW(HANDLE hDirectory, PVOID lpBuffer, DWORD nBufferLength, BOOL bWatchSubtree,
    FLAGS dwNotifyFilter, DWORD* lpBytesReturned, OVERLAPPED* lpOverlapped,
    LPOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine);
"""


class KernelChanges(Protocol):
    """Notifications.  Every call raises Win32Error."""

    def FindFirstChangeNotificationW(self, path: str, events: int, *, subtree: bool = True) -> Handle:
        """A handle that is signalled when something of FILE_NOTIFY_CHANGE_* has happened; wait for it."""

    def FindNextChangeNotification(self, changes: Handle) -> None:
        """Takes the signal back; what happened since the last time was noted and signals at once."""

    def StartReadChanges(self, directory: Handle, size: int, events: int, event: Handle) -> Pending:
        """ReadDirectoryChangesW of the whole tree, overlapped; its result is for ``name_changes``.  ``event`` serves
        one reading after another.

        The first call begins the watching and fixes how much is kept between two calls.  The handle needs
        FILE_LIST_DIRECTORY.
        """


class NativeChanges:
    """Those calls on the real DLL."""

    _dll: Dll

    def FindFirstChangeNotificationW(self, path: str, events: int, *, subtree: bool = True) -> Handle:
        value = self._dll.FindFirstChangeNotificationW(path, subtree, events)
        return Handle(value, self._dll.FindCloseChangeNotification, f"changes below {path}")

    def FindNextChangeNotification(self, changes: Handle) -> None:
        self._dll.FindNextChangeNotification(changes)

    def StartReadChanges(self, directory: Handle, size: int, events: int, event: Handle) -> Pending:
        pending = Pending(self._dll, directory, event, ctypes.create_string_buffer(size), reading=True, lent=True)
        pending.begun(self._dll.ReadDirectoryChangesW, (directory, pending.buffer, size, True, events, None,
                                                        ctypes.byref(pending.overlapped), None))
        return pending


def name_changes(data: bytes) -> tuple[tuple[int, str], ...]:
    """FILE_NOTIFY_INFORMATION: FILE_ACTION_* and the name below the directory, in order.

    Raises ValueError for bytes that are none.
    """
    found, at = [], 0
    while at + 12 <= len(data):
        following, action, size = [int.from_bytes(data[at + place:at + place + 4], "little") for place in (0, 4, 8)]
        if at + 12 + size > len(data) or size % 2:
            raise ValueError("a changed name leads outside what was read")
        found.append((action, data[at + 12:at + 12 + size].decode("utf-16-le", "surrogatepass")))
        if not following:
            return tuple(found)
        at += following
    raise ValueError("a list of changed names without end")


__all__ = ["PROTOTYPES", "KernelChanges", "NativeChanges", "name_changes"]

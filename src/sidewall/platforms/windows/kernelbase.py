"""kernelbase, by the name under which programs ask for it: functions of the kernel that kernel32 does not pass on.

Knows: "CompareObjectHandles".  Must not know: why one asks.
"""

from __future__ import annotations

from sidewall.platforms.windows.dll import Dll
from sidewall.platforms.windows.handles import Handle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol
else:
    Protocol = object

NAME = "api-ms-win-core-handle-l1-1-0.dll"
PROTOTYPES = """
ANSWER CompareObjectHandles(HANDLE hFirstObjectHandle, HANDLE hSecondObjectHandle);
"""


class Kernelbase(Protocol):
    """Objects."""

    def CompareObjectHandles(self, one: Handle, other: Handle) -> bool:
        """Whether both stand for the same object of the kernel: a file that was opened twice is two."""


class NativeKernelbase:
    """The real DLL."""

    def __init__(self, dll: Dll) -> None:
        self._dll = dll

    def CompareObjectHandles(self, one: Handle, other: Handle) -> bool:
        return bool(self._dll.CompareObjectHandles(one, other))


def native(dll: Dll) -> Kernelbase:
    """kernelbase of this machine."""
    return NativeKernelbase(dll)


__all__ = ["NAME", "PROTOTYPES", "Kernelbase", "NativeKernelbase", "native"]

"""shell32: starting a program as administrator, with the system's own prompt.

Knows: ``ShellExecuteExW``.  Must not know: which program.  Loaded only by set-up and uninstall.
"""

from __future__ import annotations

import ctypes

from sidewall.platforms.windows import memory
from sidewall.platforms.windows.constants_process import SEE_MASK_NOASYNC, SEE_MASK_NOCLOSEPROCESS, SW_HIDE
from sidewall.platforms.windows.dll import Dll
from sidewall.platforms.windows.handles import Handle
from sidewall.platforms.windows.layouts_process import SHELLEXECUTEINFOW

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol
else:
    Protocol = object

NAME = "shell32.dll"
PROTOTYPES = """
BOOL ShellExecuteExW(SHELLEXECUTEINFOW* pExecInfo);
"""


class Shell32(Protocol):
    """Every call raises Win32Error."""

    def ShellExecuteExW(self, file: str, parameters: str, *, verb: str = "runas", directory: str | None = None,
                        show: int = SW_HIDE) -> Handle:
        """Starts a program, by default as administrator; ERROR_CANCELLED when the person says no."""


class NativeShell32:
    """The real DLL.  ``kernel`` is kernel32's, which closes."""

    def __init__(self, dll: Dll, kernel: Dll) -> None:
        self._dll = dll
        self._kernel = kernel

    def ShellExecuteExW(self, file: str, parameters: str, *, verb: str = "runas", directory: str | None = None,
                        show: int = SW_HIDE) -> Handle:
        texts = [memory.wide(text) for text in (verb, file, parameters)]
        place = memory.wide(directory) if directory is not None else None
        asked = SHELLEXECUTEINFOW(ctypes.sizeof(SHELLEXECUTEINFOW), SEE_MASK_NOCLOSEPROCESS | SEE_MASK_NOASYNC)
        asked.lpVerb, asked.lpFile, asked.lpParameters = [ctypes.addressof(text) for text in texts]
        asked.lpDirectory = ctypes.addressof(place) if place is not None else None
        asked.nShow = show
        code = self._dll.ShellExecuteExW.code(ctypes.byref(asked))
        if code:
            from sidewall.platforms.windows.errors import failure, quoted
            from sidewall.platforms.windows.prototypes import LAST

            raise failure("ShellExecuteExW", LAST, code, target=file,
                          arguments=(("file", quoted(file)), ("verb", quoted(verb))))
        return Handle(asked.hProcess or 0, self._kernel.CloseHandle, f"the process of {file}")


def native(dll: Dll, kernel: Dll) -> Shell32:
    """shell32 of this machine."""
    return NativeShell32(dll, kernel)


__all__ = ["NAME", "PROTOTYPES", "NativeShell32", "Shell32", "native"]

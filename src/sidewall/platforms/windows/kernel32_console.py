"""kernel32: consoles, standard handles and pseudo consoles.

Knows: the calls of "Console Functions" and "Creating a Pseudoconsole session".  Must not know: who is at the terminal.
"""

from __future__ import annotations

import ctypes

from sidewall.platforms.windows.handles import Borrowed, Handle
from sidewall.platforms.windows.layouts_process import CONSOLE_SCREEN_BUFFER_INFO, COORD
from sidewall.platforms.windows.prototypes import INVALID_HANDLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from sidewall.platforms.windows.dll import Dll
else:
    Protocol = object

PROTOTYPES = """
HRESULT CreatePseudoConsole(COORD size, HANDLE hInput, HANDLE hOutput, FLAGS dwFlags, HPCON* phPC);
HRESULT ResizePseudoConsole(HPCON hPC, COORD size);
VOID ClosePseudoConsole(HPCON hPC);
NULLABLE_HANDLE GetStdHandle(DWORD nStdHandle);
BOOL SetStdHandle(DWORD nStdHandle, HANDLE hHandle);
BOOL GetConsoleMode(HANDLE hConsoleHandle, DWORD* lpMode);
BOOL SetConsoleMode(HANDLE hConsoleHandle, FLAGS dwMode);
BOOL GetConsoleScreenBufferInfo(HANDLE hConsoleOutput, CONSOLE_SCREEN_BUFFER_INFO* lpConsoleScreenBufferInfo);
BOOL GenerateConsoleCtrlEvent(DWORD dwCtrlEvent, DWORD dwProcessGroupId);
BOOL SetConsoleCtrlHandler(PHANDLER_ROUTINE HandlerRoutine, BOOL Add);
BOOL ReadConsoleW(HANDLE hConsoleInput, PVOID lpBuffer, DWORD nNumberOfCharsToRead, DWORD* lpNumberOfCharsRead,
    CONSOLE_READCONSOLE_CONTROL* pInputControl);
BOOL AllocConsole();
BOOL FreeConsole();
BOOL AttachConsole(DWORD dwProcessId);
COUNT GetConsoleOutputCP();
BOOL SetConsoleOutputCP(DWORD wCodePageID);
"""

ROUTINE = getattr(ctypes, "WINFUNCTYPE", ctypes.CFUNCTYPE)(ctypes.c_int32, ctypes.c_uint32)
"""PHANDLER_ROUTINE."""


class KernelConsoles(Protocol):
    """Consoles.  Every call raises Win32Error, those of pseudo consoles HResultError."""

    def CreatePseudoConsole(self, columns: int, rows: int, reading: Handle, writing: Handle, *,
                            flags: int = 0) -> Handle:
        """A console without a window: it reads keys from one pipe and writes the screen to another.

        Closing it waits until the screen was read, so somebody must go on reading meanwhile.
        """

    def ResizePseudoConsole(self, console: Handle, columns: int, rows: int) -> None:
        """Gives it another size."""

    def GetStdHandle(self, which: int) -> Handle | None:
        """A standard handle of this process (STD_*_HANDLE), borrowed; None where it has none."""

    def SetStdHandle(self, which: int, handle: Handle | None) -> None:
        """Puts another one there; children without handles of their own get it."""

    def GetConsoleMode(self, console: Handle) -> int:
        """Its mode; fails for what is not a console, which is how one tells."""

    def SetConsoleMode(self, console: Handle, mode: int) -> None:
        """Sets its mode."""

    def ConsoleSize(self, console: Handle) -> tuple[int, int]:
        """GetConsoleScreenBufferInfo: columns and rows of the window."""

    def GenerateConsoleCtrlEvent(self, event: int, group: int) -> None:
        """Sends CTRL_C_EVENT or CTRL_BREAK_EVENT to a group of processes of this console (0: to all)."""

    def IgnoreCtrlC(self, ignore: bool) -> None:
        """SetConsoleCtrlHandler without a handler: whether this process and its children ignore Ctrl-C."""

    def OnControl(self, handler: Callable[[int], bool]) -> Callable[[], None]:
        """SetConsoleCtrlHandler: from now on ``handler`` is called, in a thread of its own, with CTRL_*_EVENT.

        True means that it has been dealt with; after CTRL_CLOSE_EVENT and its kin the process ends when it returns.
        Gives what takes the handler away again.
        """

    def ReadConsoleW(self, console: Handle, characters: int) -> str:
        """Waits for keys, at most so many UTF-16 units; what was typed, '' when the console has gone."""

    def AllocConsole(self) -> None:
        """Gives a process without a console one."""

    def AttachConsole(self, process_id: int) -> None:
        """Takes part in another process's console."""

    def FreeConsole(self) -> None:
        """Leaves the console."""

    def GetConsoleOutputCP(self) -> int:
        """The code page of what is written to the console."""

    def SetConsoleOutputCP(self, page: int) -> None:
        """Sets it; 65001 is UTF-8."""


class NativeConsoles:
    """Those calls on the real DLL."""

    _dll: Dll

    def CreatePseudoConsole(self, columns: int, rows: int, reading: Handle, writing: Handle, *,
                            flags: int = 0) -> Handle:
        console = ctypes.c_void_p()
        self._dll.CreatePseudoConsole(COORD(columns, rows), reading, writing, flags, ctypes.byref(console))
        return Handle(console.value or 0, self._dll.ClosePseudoConsole, "a pseudo console")

    def ResizePseudoConsole(self, console: Handle, columns: int, rows: int) -> None:
        self._dll.ResizePseudoConsole(console, COORD(columns, rows))

    def GetStdHandle(self, which: int) -> Handle | None:
        value = self._dll.GetStdHandle(which)
        return Borrowed(value, "a standard handle") if value not in (None, 0, INVALID_HANDLE) else None

    def SetStdHandle(self, which: int, handle: Handle | None) -> None:
        self._dll.SetStdHandle(which, handle)

    def GetConsoleMode(self, console: Handle) -> int:
        mode = ctypes.c_uint32()
        self._dll.GetConsoleMode(console, ctypes.byref(mode))
        return mode.value

    def SetConsoleMode(self, console: Handle, mode: int) -> None:
        self._dll.SetConsoleMode(console, mode)

    def ConsoleSize(self, console: Handle) -> tuple[int, int]:
        information = CONSOLE_SCREEN_BUFFER_INFO()
        self._dll.GetConsoleScreenBufferInfo(console, ctypes.byref(information))
        window = information.srWindow
        return window.Right - window.Left + 1, window.Bottom - window.Top + 1

    def GenerateConsoleCtrlEvent(self, event: int, group: int) -> None:
        self._dll.GenerateConsoleCtrlEvent(event, group)

    def IgnoreCtrlC(self, ignore: bool) -> None:
        self._dll.SetConsoleCtrlHandler(None, ignore)

    def OnControl(self, handler: Callable[[int], bool]) -> Callable[[], None]:
        routine = ROUTINE(handler)
        address = ctypes.cast(routine, ctypes.c_void_p)
        self._dll.SetConsoleCtrlHandler(address, True)

        def leave() -> None:
            if routine:  # which has to live until here
                self._dll.SetConsoleCtrlHandler(address, False)

        return leave

    def ReadConsoleW(self, console: Handle, characters: int) -> str:
        buffer, number = ctypes.create_unicode_buffer(characters + 1), ctypes.c_uint32()
        self._dll.ReadConsoleW(console, buffer, characters, ctypes.byref(number), None)
        return ctypes.wstring_at(buffer, number.value)

    def AllocConsole(self) -> None:
        self._dll.AllocConsole()

    def AttachConsole(self, process_id: int) -> None:
        self._dll.AttachConsole(process_id)

    def FreeConsole(self) -> None:
        self._dll.FreeConsole()

    def GetConsoleOutputCP(self) -> int:
        return int(self._dll.GetConsoleOutputCP())

    def SetConsoleOutputCP(self, page: int) -> None:
        self._dll.SetConsoleOutputCP(page)


__all__ = ["PROTOTYPES", "KernelConsoles", "NativeConsoles"]

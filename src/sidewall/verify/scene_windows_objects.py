"""What listens in a scene on Windows: a registry key, shared memory, a pipe, a mailslot, a window.

Knows: Windows, by the functions that Python has and by ctypes.  Must not know: what a probe does with them.
"""

from __future__ import annotations

import os
import sys
import threading

if sys.platform == "win32":
    import ctypes
    import mmap
    import winreg
    from ctypes import wintypes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

SIZE = 1 << 16

if sys.platform == "win32":

    class RegistryKey:
        """A key of the user's own.  Raises OSError."""

        def __init__(self, unique: str) -> None:
            self.name = rf"Software\{unique}"
            winreg.CreateKey(winreg.HKEY_CURRENT_USER, self.name).Close()

        def heap(self) -> bytes:
            found: list[str] = []
            for path in keys_below(self.name):
                with winreg.OpenKey(winreg.HKEY_CURRENT_USER, path) as key:
                    found += [winreg.EnumValue(key, index)[0] for index in range(winreg.QueryInfoKey(key)[1])]
            return "\n".join(found).encode()

        def close(self) -> None:
            """It goes with the scene's files."""

    def keys_below(path: str) -> list[str]:
        """A key of the user's and what is below it, the deepest first; none when it is not there."""
        try:
            with winreg.OpenKey(winreg.HKEY_CURRENT_USER, path) as key:
                inner = [winreg.EnumKey(key, index) for index in range(winreg.QueryInfoKey(key)[0])]
        except FileNotFoundError:
            return []
        return [*(one for name in inner for one in keys_below(rf"{path}\{name}")), path]

    class Mapping:
        """Shared memory with a name."""

        def __init__(self, unique: str) -> None:
            self.name = unique
            self._space = mmap.mmap(-1, SIZE, tagname=unique)

        def heap(self) -> bytes:
            return self._space[:]

        def close(self) -> None:
            self._space.close()

    class Pipe:
        """A named pipe that takes one client after the other.  Raises OSError."""

        def __init__(self, unique: str) -> None:
            import _winapi

            self.name = rf"\\.\pipe\{unique}"
            self._heap = b""
            self._ending = False
            self._next = self._instance(first=True)
            self._reader = threading.Thread(target=self._serve, daemon=True)
            self._close = _winapi.CloseHandle
            self._reader.start()

        def _instance(self, *, first: bool = False) -> int:
            import _winapi

            inbound = 0x1 | (0x80000 if first else 0)
            return int(_winapi.CreateNamedPipe(self.name, inbound, 0, 255, 0, 4096, 0, 0))

        def _serve(self) -> None:
            import _winapi

            while not self._ending:
                handle = self._next
                try:
                    _winapi.ConnectNamedPipe(handle)
                except OSError:  # it came and went
                    pass
                self._next = self._instance()
                try:
                    while True:
                        self._heap += _winapi.ReadFile(handle, 4096)[0]
                except OSError:
                    self._close(handle)

        def heap(self) -> bytes:
            return self._heap

        def close(self) -> None:
            self._ending = True
            try:
                os.close(os.open(self.name, os.O_WRONLY))
                self._reader.join(5)
            except OSError:
                pass
            self._close(self._next)

    class Mailslot:
        """A mailslot.  Raises OSError."""

        def __init__(self, unique: str) -> None:
            self.name = rf"\\.\mailslot\{unique}"
            self._heap = b""
            self._lock = threading.Lock()
            self._kernel = kernel = ctypes.WinDLL("kernel32", use_last_error=True)
            kernel.CreateMailslotW.restype = ctypes.c_void_p
            self._slot = kernel.CreateMailslotW(self.name, 0, 0, None)
            if self._slot in (None, ctypes.c_void_p(-1).value):
                raise ctypes.WinError(ctypes.get_last_error())

        def heap(self) -> bytes:
            space, size = ctypes.create_string_buffer(4096), wintypes.DWORD()
            with self._lock:
                while self._kernel.ReadFile(ctypes.c_void_p(self._slot), space, 4096, ctypes.byref(size), None):
                    self._heap += space.raw[:size.value] + b"\n"
                return self._heap

        def close(self) -> None:
            self._kernel.CloseHandle(ctypes.c_void_p(self._slot))

    class Window:
        """A hidden window with a title; numbers that are posted to it stand for the stages that they are of."""

        MESSAGE, QUIT = 0x8001, 0x12

        def __init__(self, title: str, nonce: Callable[[int], str]) -> None:
            self._title, self._nonce = title, nonce
            self._heap = b""
            self._made = threading.Event()
            self._window = self._thread_id = 0
            self._user = ctypes.WinDLL("user32", use_last_error=True)
            self._thread = threading.Thread(target=self._pump, daemon=True)
            self._thread.start()
            if not self._made.wait(10) or not self._window:
                raise OSError("no window can be made")

        def _pump(self) -> None:
            user = self._user
            self._thread_id = ctypes.WinDLL("kernel32").GetCurrentThreadId()
            user.CreateWindowExW.restype = ctypes.c_void_p
            self._window = user.CreateWindowExW(0, "STATIC", self._title, 0, 0, 0, 1, 1, None, None, None, None) or 0
            self._made.set()
            message = wintypes.MSG()
            while self._window and user.GetMessageW(ctypes.byref(message), None, 0, 0) > 0:
                if message.message == self.MESSAGE:
                    self._heap += self._nonce(int(message.wParam)).encode() + b"\n"
            user.DestroyWindow(ctypes.c_void_p(self._window))

        def heap(self) -> bytes:
            return self._heap

        def close(self) -> None:
            self._user.PostThreadMessageW(self._thread_id, self.QUIT, 0, 0)
            self._thread.join(5)

    def desktop() -> str:
        """The name of this thread's desktop."""
        user = ctypes.WinDLL("user32", use_last_error=True)
        user.GetThreadDesktop.restype = ctypes.c_void_p
        mine = user.GetThreadDesktop(ctypes.WinDLL("kernel32").GetCurrentThreadId())
        space, size = ctypes.create_unicode_buffer(300), wintypes.DWORD()
        user.GetUserObjectInformationW(ctypes.c_void_p(mine), 2, space, 600, ctypes.byref(size))
        return space.value

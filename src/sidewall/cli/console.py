"""The user's console in front of the command's pseudo console: raw while it lasts, as it was afterwards.

Knows: console modes, code pages, keys and sizes.  Must not know: the command.  Windows only.
Follows: "Console Virtual Terminal Sequences" and "Creating a Pseudoconsole session" of the Win32 reference.

Ctrl-C is a key like any other here: the pseudo console makes of it what its programs ask for.  A console tells of a new
size only among the events that a raw reader does not get, so it is asked twice a second.
"""

from __future__ import annotations

import _thread
import os
import sys
import time

from sidewall.cli.relay import Relay, standard_input
from sidewall.platforms.windows import constants_process as constants
from sidewall.platforms.windows.descriptors import handle_of
from sidewall.platforms.windows.errors import ApiError

assert sys.platform == "win32"

from sidewall.cli.handles import is_console  # noqa: E402

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from sidewall.platforms.contract import Child
    from sidewall.platforms.windows.api import Api

UTF8 = 65001
DEFAULT_SIZE = (24, 80)
LOOK_SECONDS = 0.5
END = b"\x1a\r"
"""Ctrl-Z and Enter: what a console takes for the end of its input, at the beginning of a line."""
_KEYS = 4096
_INPUT = constants.ENABLE_PROCESSED_INPUT | constants.ENABLE_LINE_INPUT | constants.ENABLE_ECHO_INPUT
_OUTPUT = (constants.ENABLE_PROCESSED_OUTPUT | constants.ENABLE_VIRTUAL_TERMINAL_PROCESSING
           | constants.DISABLE_NEWLINE_AUTO_RETURN)


class Console:
    """The host's side.  Standard input need not be a console (``--tty``): then its bytes are typed, and its end is
    typed as Ctrl-Z."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._lock = _thread.allocate_lock()
        self._saved: list[tuple[int, int]] = []
        self._page = 0
        self._child: Child | None = None
        self._typed = is_console(api, 0)
        self._waiting = ""
        self._ended = False
        self._last = b""
        self._told = DEFAULT_SIZE

    def size(self) -> tuple[int, int]:
        """(rows, columns) of the console, else 24 by 80: what the command's gets, until that is told another."""
        self._told = self._look()
        return self._told

    def _look(self) -> tuple[int, int]:
        for descriptor in (1, 2):
            try:
                columns, rows = self._api.kernel32.ConsoleSize(handle_of(descriptor))
            except (ApiError, OSError):
                continue
            if rows > 0 and columns > 0:
                return rows, columns
        return DEFAULT_SIZE

    def attach(self, child: Child, *, kept: int) -> tuple[Relay, Relay]:
        """Takes the console over and starts both directions; ``kept`` bytes of output stay in the tail.

        The two descriptors are copied: a relay ends later than whoever has started the command may be done with it.
        """
        self._child = child
        self._claim()
        inward = Relay(os.dup(child.keys_fd), read=self._keys if self._typed else self._piped, owned_target=True)
        outward = Relay(1, source=os.dup(child.master_fd), kept=kept, discards=True)
        inward.start()
        outward.start()
        if self._saved:
            _thread.start_new_thread(self._watch, ())
        return inward, outward

    def _claim(self) -> None:
        kernel = self._api.kernel32
        try:
            if self._typed:
                self._set(0, lambda mode: mode & ~_INPUT | constants.ENABLE_VIRTUAL_TERMINAL_INPUT)
            if is_console(self._api, 1):
                self._set(1, lambda mode: mode | _OUTPUT)
                self._page = kernel.GetConsoleOutputCP()
                kernel.SetConsoleOutputCP(UTF8)
        except ApiError as error:
            self.restore()
            from sidewall.errors import MachineError

            raise MachineError(f"this console cannot show another one: {error.message}",
                               hint="use Windows Terminal, or redirect the output: sidewall run ... | more") from None

    def _set(self, descriptor: int, change: Callable[[int], int]) -> None:
        kernel = self._api.kernel32
        handle = handle_of(descriptor)
        mode = kernel.GetConsoleMode(handle)
        kernel.SetConsoleMode(handle, change(mode))
        self._saved.append((descriptor, mode))

    def _keys(self) -> bytes:
        """What was typed, as UTF-8; the first half of a character waits for the second."""
        while True:
            typed = self._waiting + self._api.kernel32.ReadConsoleW(handle_of(0), _KEYS)
            if not typed:
                return b""
            self._waiting = typed[-1] if "\ud800" <= typed[-1] < "\udc00" else ""
            whole = typed[:len(typed) - len(self._waiting)]
            if whole:
                return whole.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()

    def _piped(self) -> bytes:
        """Standard input, and at its end the keys that say so, once."""
        data = b"" if self._ended else standard_input()
        if data or self._ended:
            self._last = data[-1:]
            return data
        self._ended = True
        return END if self._last in (b"", b"\n", b"\r") else b"\r" + END

    def _watch(self) -> None:
        """In a thread of its own: passes new sizes on, until the console is given back."""
        while self._saved:
            time.sleep(LOOK_SECONDS)
            found = self._look()
            child = self._child
            if found != self._told and child is not None and self._saved:
                self._told = found
                child.resize(*found)

    def restore(self) -> None:
        """The console as it was.  Idempotent; never raises."""
        with self._lock:
            saved, self._saved, page, self._page, self._child = self._saved, [], self._page, 0, None
        for descriptor, mode in reversed(saved):
            try:
                self._api.kernel32.SetConsoleMode(handle_of(descriptor), mode)
            except (ApiError, OSError):  # it has been closed
                pass
        if page:
            try:
                self._api.kernel32.SetConsoleOutputCP(page)
            except ApiError:
                pass

"""A pseudo console: a terminal whose keys and screen are two pipes of ours.

Knows: "Creating a Pseudoconsole session" of the Win32 reference.  Must not know: who sits at the terminal.
"""

from __future__ import annotations

import _thread
import os

from sidewall.platforms.windows import descriptors
from sidewall.platforms.windows.errors import ApiError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.platforms.windows.api import Api
    from sidewall.platforms.windows.handles import Handle

INTERRUPT = b"\x03"


class Terminal:
    """One pseudo console.  ``screen_fd`` is read, ``keys_fd`` written; both are given back by ``close``."""

    def __init__(self, api: Api, rows: int, columns: int) -> None:
        """Raises HResultError, Win32Error."""
        kernel = api.kernel32
        self._api = api
        self._lock = _thread.allocate_lock()
        self.screen_fd = self.keys_fd = -1
        keys, screen = kernel.CreatePipe(), kernel.CreatePipe()
        try:
            self.console: Handle | None = kernel.CreatePseudoConsole(columns, rows, keys[0], screen[1])
            self.keys_fd = descriptors.writing(keys[1])
            self.screen_fd = descriptors.reading(screen[0])
        finally:
            # The console has copies of its own; ours would keep the pipes from ever ending.
            for handle in (*keys, *screen):
                if not handle.closed:
                    handle.close()

    def resize(self, rows: int, columns: int) -> None:
        """Gives it another size; nothing where it has ended."""
        with self._lock:
            if self.console is not None:
                try:
                    self._api.kernel32.ResizePseudoConsole(self.console, columns, rows)
                except ApiError:
                    return  # its programs have gone, or it has one size for ever

    def interrupt(self) -> None:
        """Types Ctrl-C."""
        if self.keys_fd >= 0:
            try:
                os.write(self.keys_fd, INTERRUPT)
            except OSError:
                return  # nobody reads keys any more

    def end(self) -> None:
        """Ends the console, and so the programs at it and what is to be read.  Idempotent.

        Waits until the screen was read to its end, or nobody has its descriptor any more: not a call for whoever reads
        it.
        """
        with self._lock:
            console, self.console = self.console, None
        if console is not None:
            console.close()

    def close(self) -> None:
        """Closes the descriptors.  Idempotent."""
        screen, keys = self.screen_fd, self.keys_fd
        self.screen_fd = self.keys_fd = -1
        for descriptor in (screen, keys):
            if descriptor >= 0:
                os.close(descriptor)


__all__ = ["Terminal"]

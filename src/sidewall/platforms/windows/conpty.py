"""A pseudo console: a terminal whose keys and screen are two pipes of ours.

Knows: "Creating a Pseudoconsole session" of the Win32 reference.  Must not know: who sits at the terminal.

The console is of the process that makes it.  Where another process starts the command, that process makes it, from its
own handles for the far ends of the two pipes (``Ends.far``).
"""

from __future__ import annotations

import _thread
import os

from sidewall.platforms.windows import descriptors, input_pipe
from sidewall.platforms.windows.errors import ApiError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.platforms.windows.api import Api
    from sidewall.platforms.windows.handles import Handle

INTERRUPT = b"\x03"


class Ends:
    """Our ends of a terminal's two pipes.  ``screen_fd`` is read, ``keys_fd`` written; ``close`` gives both back.

    ``far`` are the console's ends, keys and screen, until ``give_up_far``.
    """

    def __init__(self, api: Api) -> None:
        """Raises Win32Error."""
        self._api = api
        self.screen_fd = self.keys_fd = -1
        # What reads the keys is no server's end: the console's host is not to act as who types.
        keys = input_pipe.make(api)
        try:
            screen = api.kernel32.CreatePipe()
        except BaseException:
            _close(keys)
            raise
        self.far = (keys[0], screen[1])
        try:
            self.keys_fd = descriptors.writing(keys[1])
            self.screen_fd = descriptors.reading(screen[0])
        except BaseException:
            _close((*keys, *screen))
            raise

    def give_up_far(self) -> None:
        """The console has copies of its own; ours would keep the pipes from ever ending.  Idempotent."""
        _close(self.far)

    def interrupt(self) -> None:
        """Types Ctrl-C."""
        if self.keys_fd >= 0:
            try:
                os.write(self.keys_fd, INTERRUPT)
            except OSError:
                return  # nobody reads keys any more

    def close(self) -> None:
        """Closes the descriptors.  Idempotent."""
        screen, keys = self.screen_fd, self.keys_fd
        self.screen_fd = self.keys_fd = -1
        for descriptor in (screen, keys):
            if descriptor >= 0:
                os.close(descriptor)


class Console:
    """A pseudo console of this process, from the ends that it reads keys from and writes its screen to."""

    def __init__(self, api: Api, rows: int, columns: int, keys: Handle, screen: Handle) -> None:
        """Raises HResultError, MissingFunction.  The two handles stay the caller's."""
        self._api = api
        self._lock = _thread.allocate_lock()
        self.handle: Handle | None = api.kernel32.CreatePseudoConsole(columns, rows, keys, screen)

    def resize(self, rows: int, columns: int) -> None:
        """Gives it another size; nothing where it has ended."""
        with self._lock:
            if self.handle is not None:
                try:
                    self._api.kernel32.ResizePseudoConsole(self.handle, columns, rows)
                except ApiError:
                    return  # its programs have gone, or it has one size for ever

    def end(self) -> None:
        """Ends the console, and so the programs at it and what is to be read.  Idempotent.

        Waits until the screen was read to its end, or nobody has its descriptor any more: not a call for whoever reads
        it.
        """
        with self._lock:
            console, self.handle = self.handle, None
        if console is not None:
            console.close()


class Terminal(Ends):
    """Both: a terminal of this process."""

    def __init__(self, api: Api, rows: int, columns: int) -> None:
        """Raises HResultError, Win32Error."""
        super().__init__(api)
        try:
            self._console = Console(api, rows, columns, *self.far)
        except BaseException:
            self.close()
            raise
        finally:
            self.give_up_far()

    @property
    def console(self) -> Handle | None:
        """The pseudo console, None once it has ended."""
        return self._console.handle

    def resize(self, rows: int, columns: int) -> None:
        """See ``Console.resize``."""
        self._console.resize(rows, columns)

    def end(self) -> None:
        """See ``Console.end``."""
        self._console.end()


def _close(handles: tuple[Handle, ...]) -> None:
    for handle in handles:
        if not handle.closed:
            handle.close()


__all__ = ["Console", "Ends", "Terminal"]

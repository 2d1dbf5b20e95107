"""File objects over a command's pipes and over the master side of its pseudo terminal.

Knows: what a terminal's master says at its end (``EIO``), its size, its end-of-file character.  Must not know: cells.
Follows: pty(7), ioctl_tty(2).
"""

from __future__ import annotations

import errno
import io
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

DEFAULT_SIZE = (24, 80)
END_OF_FILE = b"\x04"


class PipeOrTerminal(io.RawIOBase):
    """One end of a pipe, or a terminal's master side, as a raw file; owns the descriptor.

    A master side whose other side has no process any more reads as ended, where the kernel says ``EIO``.
    ``mode`` is ``rb`` or ``wb``.
    """

    def __init__(self, fd: int, mode: str) -> None:
        self._fd = fd
        self.mode = mode
        self.name = fd

    def fileno(self) -> int:
        """The descriptor.  Raises ValueError when closed."""
        if self.closed:
            raise ValueError("I/O operation on closed file")
        return self._fd

    def readable(self) -> bool:
        return self.mode == "rb"

    def writable(self) -> bool:
        return self.mode == "wb"

    def readinto(self, buffer: Any) -> int:
        data = read_or_end(self.fileno(), len(buffer))
        buffer[:len(data)] = data
        return len(data)

    def write(self, data: Any) -> int:
        rest = memoryview(data).cast("B")
        size = len(rest)
        while rest:
            rest = rest[os.write(self.fileno(), rest):]
        return size

    def isatty(self) -> bool:
        return os.isatty(self.fileno())

    def close(self) -> None:
        """Closes the descriptor.  Idempotent."""
        if not self.closed:
            super().close()
            os.close(self._fd)


def read_or_end(fd: int, size: int) -> bytes:
    """What is there, at most ``size`` bytes; empty at the end, also at a terminal's."""
    try:
        return os.read(fd, size)
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        return b""


def size(tty: bool | tuple[int, int]) -> tuple[int, int] | None:
    """The (rows, columns) that a ``tty`` argument asks for, None for no terminal.  Raises ValueError."""
    if tty is False:
        return None
    rows, columns = DEFAULT_SIZE if tty is True else tty
    if not 0 < rows < 1 << 16 or not 0 < columns < 1 << 16:
        raise ValueError(f"a terminal of {rows} rows and {columns} columns cannot be")
    return rows, columns


def checked(rows: int, columns: int) -> tuple[int, int]:
    """The size itself.  Raises ValueError when it cannot be."""
    return size((rows, columns)) or DEFAULT_SIZE


def close_quietly(file: Any) -> None:
    """Closes a file object; what a reader that has gone did not take is dropped."""
    try:
        file.close()
    except BrokenPipeError:
        pass
    except OSError as error:
        if error.errno != errno.EIO:
            raise


def flush_quietly(file: Any) -> None:
    """Writes out what is buffered; no error if the reader has gone."""
    try:
        file.flush()
    except BrokenPipeError:
        pass

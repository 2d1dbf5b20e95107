"""A password in memory that is wiped: never a Python text, which nobody can overwrite and which stays for long.

Knows: a buffer of UTF-16 ended by a zero, as Windows takes it.  Must not know: whose password it is, where it is from.

What cannot be wiped from here: what Windows copies for itself, and what the system writes to its page file.
"""

from __future__ import annotations

import ctypes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, Self


class Secret:
    """A context manager.  ``wide`` is an array of characters for a call, of zeros once this is closed."""

    __slots__ = ("wide",)
    wide: Any

    def __init__(self, data: ctypes.Array[ctypes.c_char]) -> None:
        """``data`` is ASCII, and is wiped at once.  Raises ValueError for anything else."""
        size = len(data)
        self.wide = (ctypes.c_wchar * (size + 1))()
        try:
            view = memoryview(data).cast("B")
            for index in range(size):
                number = view[index]
                if not 0 < number < 128:
                    raise ValueError("what was decrypted is no password")
                self.wide[index] = chr(number)  # one of the texts that Python keeps anyway
        except BaseException:
            self.close()
            raise
        finally:
            ctypes.memset(data, 0, size)

    def close(self) -> None:
        """Overwrites it.  Idempotent."""
        ctypes.memset(self.wide, 0, ctypes.sizeof(self.wide))

    def __repr__(self) -> str:
        return "Secret()"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()


__all__ = ["Secret"]

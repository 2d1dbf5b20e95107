"""Descriptors of the C run-time and handles of Windows: one from the other.

Knows: ``msvcrt``.  Must not know: what goes through them.  A descriptor owns its handle.
"""

from __future__ import annotations

import os
import sys

from sidewall.platforms.windows.handles import Borrowed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.platforms.windows.handles import Handle


def reading(handle: Handle) -> int:
    """A descriptor to read from, in binary mode, that no process inherits; the handle is its own from now on."""
    return _descriptor(handle, os.O_RDONLY)


def writing(handle: Handle) -> int:
    """A descriptor to write to, likewise."""
    return _descriptor(handle, os.O_WRONLY)


def handle_of(descriptor: int) -> Handle:
    """The handle below a descriptor, borrowed.  Raises OSError for a descriptor that is not open."""
    return Borrowed(_system_handle(descriptor), f"descriptor {descriptor}")


if sys.platform == "win32":
    import msvcrt

    def _descriptor(handle: Handle, mode: int) -> int:
        descriptor = msvcrt.open_osfhandle(handle.value, mode | os.O_BINARY | os.O_NOINHERIT)
        handle.detach()
        return descriptor

    def _system_handle(descriptor: int) -> int:
        return msvcrt.get_osfhandle(descriptor)
else:

    def _descriptor(handle: Handle, mode: int) -> int:
        raise OSError(f"a handle of Windows is no descriptor on {sys.platform}")

    def _system_handle(descriptor: int) -> int:
        raise OSError(f"a descriptor is no handle of Windows on {sys.platform}")


__all__ = ["handle_of", "reading", "writing"]

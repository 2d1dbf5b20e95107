"""Calling C with the half of ``ctypes`` that is written in C.

Knows: how a function of this process's libc is found and called, and what its errno was.
Must not know: any function in particular.

``ctypes`` itself takes three milliseconds to import, a third of a bare interpreter's start, and each cell process
would pay that before it has made its namespaces.  ``_ctypes`` is what it is made of, the same from Python 3.11 to 3.14;
where structures go in or out, callers pack and unpack bytes.
"""

from __future__ import annotations

import _ctypes
from _ctypes import addressof, byref, get_errno

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    _Number = _ctypes._SimpleCData[int]
    _Bytes = _ctypes._SimpleCData[bytes]
else:
    _Number = _Bytes = _ctypes._SimpleCData


class char(_Bytes):
    """C char; arrays of it are buffers that C may write to."""

    _type_ = "c"


class int32(_Number):
    """C int."""

    _type_ = "i"


class long(_Number):
    """C long, a whole register: negative numbers and 64-bit flags are right."""

    _type_ = "l"


class ulong(_Number):
    """C unsigned long."""

    _type_ = "L"


class text(_Bytes):
    """C const char *: bytes, which may hold zeros when the callee knows the length, a buffer, or None."""

    _type_ = "z"


class pointer(_Number):
    """C void *: an address, a buffer, or None."""

    _type_ = "P"


KINDS: dict[str, type[Any]] = {"i": int32, "l": long, "L": ulong, "s": text, "p": pointer}


class _Function(_ctypes.CFuncPtr):
    _flags_ = _ctypes.FUNCFLAG_CDECL | _ctypes.FUNCFLAG_USE_ERRNO
    _restype_ = int32


_process = _ctypes.dlopen(None, 0)  # type: ignore[arg-type]


def function(name: str, arguments: str = "", result: str = "i") -> Any:
    """A function of libc.  ``arguments`` has one letter of ``KINDS`` each ('' for any), ``result`` one.

    Raises AttributeError when this libc does not have it.
    """
    try:
        found = _Function(_ctypes.dlsym(_process, name))
    except OSError as error:
        raise AttributeError(str(error)) from None
    found.restype = KINDS[result]
    if arguments:
        found.argtypes = tuple([KINDS[letter] for letter in arguments])
    return found


class Library:
    """libc, its functions as attributes, for arguments that ``ctypes`` converts by itself; results are C ints."""

    def __getattr__(self, name: str) -> Any:
        found = function(name)
        self.__dict__[name] = found
        return found


def buffer(size: int, content: bytes = b"") -> Any:
    """Memory that C may write to; its ``raw`` is the content."""
    made: Any = (char * size)()
    if content:
        made.raw = content.ljust(size, b"\0")
    return made


__all__ = ["KINDS", "Library", "addressof", "buffer", "byref", "function", "get_errno"]

"""What init is doing while it makes a cell, so that a failure says it: the step, the path, the error.

Knows: which errors there are before commands run, and how the owner is told.  Must not know: what a step does.
Complete in memory before anything is confined: the library of the interpreter may be what cannot be read by then.
"""

from __future__ import annotations

import marshal
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket

INTERPRETER = "interpreter"
ENOENT, ENOTDIR = 2, 20


class Stage:
    """Where init is: the ``step``, and what it is about."""

    def __init__(self) -> None:
        self.step = "confine"
        self.about = ""

    def at(self, step: str, about: str = "") -> None:
        """From here on a failure belongs to this step."""
        self.step, self.about = step, about

    def tell(self, control: _socket.socket, error: Exception) -> None:
        """Tells the owner what failed.  Never raises OSError.

        Of an OSError ``filename`` is the path, or the name of a system call, and then ``filename2`` the path.
        """
        call, path, errno = "", self.about, 0
        if isinstance(error, ImportError):
            self.step = INTERPRETER
            path, errno = _unreadable(error)
            call = f"import {error.name}"
        elif isinstance(error, OSError):
            named = os.fsdecode(error.filename or "") if isinstance(error.filename, (str, bytes)) else ""
            errno = error.errno or 0
            call, path = ("open", named) if named.startswith("/") else (named, _text(error.filename2) or path)
        else:
            call = f"{type(error).__name__}: {error}"
        complain(control, self.step, path, errno, call)


def complain(control: _socket.socket, step: str, path: str, errno: int, call: str) -> None:
    """One failure, in the form that ``answers`` reads: errno 0 when it was no error of the system's."""
    try:
        control.send(b"E" + marshal.dumps((step, path, errno, call)))
    except OSError:
        return


def _text(path: object) -> str:
    return os.fsdecode(path) if isinstance(path, (str, bytes)) else ""


def _unreadable(error: ImportError) -> tuple[str, int]:
    """The module's file that cannot be opened, or the first directory of modules that cannot be listed, and why: the
    import system takes a module that it cannot look for as one that is not there."""
    for path in (error.path or "", *sys.path):
        try:
            if path and path == error.path:
                os.close(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
            elif path:
                os.listdir(path)
        except OSError as refused:
            if refused.errno not in (ENOENT, ENOTDIR):
                return path, refused.errno or 0
    # Each can be listed, or is not there at all: then it is this one that should be.
    return error.path or os.path.dirname(os.__file__), ENOENT

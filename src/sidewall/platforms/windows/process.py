"""One process of a cell: its line, its handles, its job from the first instruction on.

Knows: CreateProcessAsUserW with ``STARTUPINFOEX``, which errors of it mean what ``subprocess`` raises.  Must not know:
plans, sessions.

Exactly three handles pass, each a copy made for this start; everything else of ours stays ours, whatever is marked
inheritable.  Without a terminal a command gets a console of its own that nobody sees: with ours it could type into the
shell from which we were started.
"""

from __future__ import annotations

import errno
import os

from sidewall.platforms.windows import lookup, quoting
from sidewall.platforms.windows.constants_process import (
    CREATE_NO_WINDOW,
    CREATE_SUSPENDED,
    STD_ERROR_HANDLE,
    STD_INPUT_HANDLE,
    STD_OUTPUT_HANDLE,
)
from sidewall.platforms.windows.descriptors import handle_of
from sidewall.platforms.windows.errors import CallError, Win32Error
from sidewall.platforms.windows.handles import Borrowed
from sidewall.platforms.windows.startup import StartInfo
from sidewall.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from sidewall.platforms.windows.api import Api
    from sidewall.platforms.windows.environment import Variables
    from sidewall.platforms.windows.handles import Handle
    from sidewall.platforms.windows.startup import Started

SHELL = "cmd.exe"
_ERRNO = {
    2: errno.ENOENT, 3: errno.ENOENT, 5: errno.EACCES, 8: errno.ENOMEM, 14: errno.ENOMEM, 32: errno.EACCES,
    87: errno.EINVAL, 123: errno.EINVAL, 161: errno.EINVAL, 193: errno.ENOEXEC, 206: errno.ENAMETOOLONG,
    216: errno.ENOEXEC, 225: errno.EACCES, 267: errno.ENOTDIR, 740: errno.EACCES, 1260: errno.EACCES,
    1392: errno.ENOEXEC, 1455: errno.ENOMEM, 1816: errno.EAGAIN, 4551: errno.EACCES,
}
"""What users of ``subprocess`` expect for the errors of a start.  740: it asks for an administrator; 1260, 4551: a
policy of the machine forbids it; 225: the virus scanner does; 1816: the job is full."""
NOT_A_DIRECTORY = 267


class Line(Record):
    """What CreateProcess is given: the program's full path, and its line."""

    application: str
    line: str


def line(argv: Sequence[str], variables: Variables, directory: str, system: str) -> Line:
    """The line that means this argument vector.  ``system`` is the directory in which cmd.exe lies.

    Raises FileNotFoundError, PermissionError, and OSError for what cmd.exe cannot be told.
    """
    program = lookup.find(argv[0], variables.folded, directory)
    if program.batch:
        interpreter = f"{system}\\{SHELL}"
        try:
            return Line(application=interpreter, line=quoting.batch(interpreter, program.path, argv[1:]))
        except quoting.Unquotable as error:
            raise OSError(errno.EINVAL, str(error), argv[0]) from None
    is_shell = program.path.rpartition("\\")[2].lower() == SHELL
    return Line(application=program.path, line=quoting.shell(argv) if is_shell else quoting.join(argv))


def start(api: Api, token: Handle | None, what: Line, variables: Variables, directory: str, *,
          stdio: tuple[int, int, int] | None, jobs: Sequence[Handle], desktop: str | None,
          console: Handle | None = None, suspended: bool = False) -> Started:
    """Starts it; ``token`` None means our own.  ``stdio`` are descriptors, None with a ``console``.

    Raises FileNotFoundError, PermissionError, NotADirectoryError, OSError as ``subprocess`` does (``winerror`` set).
    """
    copies: list[Handle] = []
    try:
        for descriptor in stdio or ():
            copies.append(_copied(api, descriptor, what))
        return start_with(api, token, what, variables, directory, stdio=copies, jobs=jobs, desktop=desktop,
                          console=console, suspended=suspended)
    finally:
        for copy in copies:
            copy.close()


def start_with(api: Api, token: Handle | None, what: Line, variables: Variables, directory: str, *,
               stdio: Sequence[Handle], jobs: Sequence[Handle], desktop: str | None, console: Handle | None = None,
               suspended: bool = False) -> Started:
    """The same with three inheritable handles, which stay the caller's; none with a ``console``."""
    kernel = api.kernel32
    flags = (CREATE_SUSPENDED if suspended else 0) | (CREATE_NO_WINDOW if console is None else 0)
    try:
        three = (stdio[0], stdio[1], stdio[2]) if stdio else _instead_of_ours(api)
        with kernel.ProcThreadAttributeList(handles=stdio, jobs=jobs, pseudo_console=console) as attributes:
            info = StartInfo(command_line=what.line, application=what.application, directory=directory,
                             environment=variables.block, flags=flags, desktop=desktop, stdio=three,
                             attributes=attributes, inherit=bool(stdio))
            if token is None:
                return kernel.CreateProcessW(info)
            return api.advapi32.CreateProcessAsUserW(token, info)
    except Win32Error as error:
        raise _as_python(error, what, directory) from error
    except CallError as error:
        raise OSError(errno.E2BIG, error.message, what.application) from None


def _copied(api: Api, descriptor: int, what: Line) -> Handle:
    try:
        return api.kernel32.DuplicateHandle(handle_of(descriptor), inherit=True)
    except Win32Error as error:
        raise _as_python(error, what, "") from error


_NO_HANDLE = Borrowed(0, "no standard handle")


def _instead_of_ours(api: Api) -> tuple[Handle, Handle, Handle] | None:
    """The standard handles for a command at a terminal, None to let the terminal set them.

    Where ours lead to a file or a pipe, the system would give a console program copies of them in spite of its
    terminal, unless it is told that there are none.
    """
    for which in (STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, STD_ERROR_HANDLE):
        ours = api.kernel32.GetStdHandle(which)
        if ours is not None:
            try:
                api.kernel32.GetConsoleMode(ours)
            except Win32Error:
                return _NO_HANDLE, _NO_HANDLE, _NO_HANDLE
    return None


def _as_python(error: Win32Error, what: Line, directory: str) -> OSError:
    """The exception that ``subprocess`` raises for it: FileNotFoundError, PermissionError, NotADirectoryError ..."""
    if error.call not in ("CreateProcessAsUserW", "CreateProcessW"):
        return OSError(errno.EBADF if error.code == 6 else errno.EINVAL, error.message, what.application)
    number = _ERRNO.get(error.code, errno.EINVAL)
    name = directory if error.code == NOT_A_DIRECTORY else what.application
    if error.code == NOT_A_DIRECTORY and not os.path.exists(directory):
        number = errno.ENOENT
    made = OSError(number, error.message, name)
    if hasattr(made, "winerror"):
        made.winerror = error.code
    return made


__all__ = ["Line", "line", "start", "start_with"]

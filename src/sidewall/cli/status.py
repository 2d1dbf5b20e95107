"""The status file: one line of JSON that says what an exit code cannot, written whole or not at all.

Knows: how to put a file into a directory that a hostile command may have prepared.  Must not know: what the line says.

The directory is opened before the command runs and held, the line goes to a new file in it (never through a link), and
a rename puts that in place, so whatever link stands at the name is replaced and not followed.
"""

from __future__ import annotations

import os
import sys

from sidewall.errors import MachineError, SystemCallError, UsageError

SCHEMA = 1


class StatusFile:
    """A promise to write ``path``.  Raises UsageError when that cannot be."""

    def __init__(self, path: str, workspace: str) -> None:
        self._path = path
        parent, self._name = os.path.split(os.path.join(workspace, path))
        if not self._name or os.path.isdir(path):
            raise UsageError(f"--status-file {path}: is a directory", hint="give the name of a file")
        real = os.path.realpath(parent)
        plain = os.path.normpath(parent)
        if real != plain and _below(plain, workspace) and not _below(real, workspace):
            raise UsageError(f"--status-file {path}: a link in the workspace leads out of it, to {real}",
                             hint="give the path that is meant, or one outside of the workspace")
        try:
            self._directory = Directory(real)
        except (OSError, SystemCallError) as error:
            raise UsageError(f"--status-file {path}: cannot open its directory: {_why(error)}",
                             hint="make the directory first") from None

    def write(self, line: str) -> None:
        """Puts ``line`` (ASCII, without newline) into the file.  Raises MachineError."""
        passing = f".{self._name}.{os.getpid()}.{os.urandom(4).hex()}"
        try:
            self._directory.put(passing, self._name, line.encode("ascii") + b"\n")
        except (OSError, SystemCallError) as error:
            raise MachineError(f"--status-file {self._path}: cannot write it: {_why(error)}",
                               hint="the command has run; its exit code says how it ended") from None


if sys.platform == "win32":
    from sidewall.platforms.windows.held import Directory
else:

    class Directory:
        """One that is held open.  Raises OSError."""

        def __init__(self, path: str) -> None:
            self._fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

        def put(self, passing: str, name: str, data: bytes) -> None:
            """Writes a new file ``passing`` and makes it ``name``, whatever is there.  Raises OSError."""
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(passing, flags, 0o644, dir_fd=self._fd)
            try:
                _put(descriptor, data)
                os.rename(passing, name, src_dir_fd=self._fd, dst_dir_fd=self._fd)
            except OSError:
                os.unlink(passing, dir_fd=self._fd)
                raise
            finally:
                os.close(descriptor)


def _put(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data):]


def _why(error: OSError | SystemCallError) -> str:
    return error.message if isinstance(error, SystemCallError) else error.strerror or str(error)


def _below(path: str, directory: str) -> bool:
    return path == directory or path.startswith(directory.rstrip(os.sep) + os.sep)

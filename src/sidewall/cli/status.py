"""The status file: one line of JSON that says what an exit code cannot, written whole or not at all.

Knows: how to put a file into a directory that a hostile command may have prepared.  Must not know: what the line says.

The directory is opened before the command runs and held, the line goes to a new file in it (never through a link), and
a rename puts that in place, so whatever link stands at the name is replaced and not followed.
"""

from __future__ import annotations

import os

from sidewall.errors import MachineError, UsageError

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
            self._directory = os.open(real, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0))
        except OSError as error:
            raise UsageError(f"--status-file {path}: cannot open its directory: {error.strerror}",
                             hint="make the directory first") from None

    def write(self, line: str) -> None:
        """Puts ``line`` (ASCII, without newline) into the file.  Raises MachineError."""
        passing = f".{self._name}.{os.getpid()}.{os.urandom(4).hex()}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
        try:
            descriptor = os.open(passing, flags, 0o644, dir_fd=self._directory)
            try:
                _put(descriptor, line.encode("ascii") + b"\n")
                os.rename(passing, self._name, src_dir_fd=self._directory, dst_dir_fd=self._directory)
            except OSError:
                os.unlink(passing, dir_fd=self._directory)
                raise
            finally:
                os.close(descriptor)
        except OSError as error:
            raise MachineError(f"--status-file {self._path}: cannot write it: {error.strerror}",
                               hint="the command has run; its exit code says how it ended") from None


def _put(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data):]


def _below(path: str, directory: str) -> bool:
    return path == directory or path.startswith(directory.rstrip(os.sep) + os.sep)

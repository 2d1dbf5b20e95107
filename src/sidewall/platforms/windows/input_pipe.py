"""The pipe to a command's standard input: ours is the server's end, the command's a client's.

Knows: that whoever has the server's end of a pipe may act as the client at the other one (ImpersonateNamedPipeClient),
and that the end to read from, of two that CreatePipe makes, is the server's.  Must not know: what goes through.
Follows: "Impersonating a Named Pipe Client", "CreateNamedPipe" of the Win32 reference.

A command that read from such an end could be the user who writes.  So the pipe is one of a name that nobody can guess,
its only instance, open to its owner and not from another machine, and the command's end is opened here before anybody
knows the name; with that the pipe is full.  For output CreatePipe is right: a command has the client's end.
"""

from __future__ import annotations

import os

from sidewall.nt.sddl import parse
from sidewall.platforms.windows import constants_files as files
from sidewall.platforms.windows import constants_process as constants
from sidewall.platforms.windows import descriptors
from sidewall.platforms.windows.errors import ApiError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.platforms.windows.api import Api
    from sidewall.platforms.windows.handles import Handle

PREFIX = "\\\\.\\pipe\\sidewall-input-"
SDDL = "D:P(D;;GA;;;NU)(A;;GA;;;OW)"
"""Nobody from the network; whoever owns it, and that is who made it."""
READING = 0x80000000 | 0x100
"""GENERIC_READ and FILE_WRITE_ATTRIBUTES: as much as CreatePipe gives, so that a program may set how it reads."""
ACCESS_DENIED = 5
ROOM = 1 << 16
"""Bytes that it takes before its writer has to wait."""


def make(api: Api) -> tuple[Handle, Handle]:
    """The command's end, to read from, and ours, to write to; no process inherits either.  Raises Win32Error."""
    name = PREFIX + os.urandom(16).hex()
    writing = api.kernel32.CreateNamedPipeW(
        name, constants.PIPE_ACCESS_OUTBOUND | files.FILE_FLAG_FIRST_PIPE_INSTANCE,
        constants.PIPE_TYPE_BYTE | constants.PIPE_REJECT_REMOTE_CLIENTS, instances=1, size=ROOM,
        security=_security())
    try:
        reading = api.kernel32.CreateFileW(name, READING, files.OPEN_EXISTING, share=0,
                                           flags=files.SECURITY_SQOS_PRESENT | files.SECURITY_IDENTIFICATION)
    except BaseException:
        writing.close()
        raise
    return reading, writing


def _security() -> bytes:
    """The descriptor, which is the same each time: a command with input is not to wait for a parser."""
    if not _made:
        _made.append(parse(SDDL).to_bytes())
    return _made[0]


_made: list[bytes] = []


def pair(api: Api) -> tuple[int, int]:
    """The same as descriptors, in binary mode."""
    reading, writing = make(api)
    try:
        first = descriptors.reading(reading)
    except BaseException:
        reading.close()
        writing.close()
        raise
    try:
        return first, descriptors.writing(writing)
    except BaseException:
        os.close(first)
        writing.close()
        raise


def is_server(api: Api, handle: Handle) -> bool:
    """Whether this may be a pipe's server's end: a socket is none, one that can only be written to does not tell."""
    try:
        return bool(api.kernel32.GetNamedPipeInfo(handle)[0] & constants.PIPE_SERVER_END)
    except ApiError as error:
        return error.code == ACCESS_DENIED


__all__ = ["PREFIX", "is_server", "make", "pair"]

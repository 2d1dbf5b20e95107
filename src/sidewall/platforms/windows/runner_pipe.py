"""The pipe between owner and runner, both ends, and how each end knows who is at the other.

Knows: named pipes, who may open one, how a pipe tells who has it.  Must not know: what is said over it.  Follows "Named
Pipe Security and Access Rights" of the Win32 reference.

The owner makes the pipe: a name that nobody can guess, the first and only instance of it, not to be reached from
another machine, open to the owner's user and to the one account.  Names of pipes can be listed, so whoever is first is
looked at: only the process that the owner started is taken, by its number, which is not used again while its handle is
open.  Who that process is the system says: the runner's end lets itself be identified and not be acted for.

The runner may not open the owner's process.  It asks the pipe instead: which process made it, and who owns the object.
"""

from __future__ import annotations

import os
import time

from sidewall.errors import MachineError
from sidewall.nt.descriptor import SecurityDescriptor
from sidewall.nt.sddl import parse
from sidewall.nt.sid import Sid
from sidewall.platforms.windows import constants_files as files
from sidewall.platforms.windows import constants_process as constants
from sidewall.platforms.windows import tokens
from sidewall.platforms.windows.constants_security import (
    OWNER_SECURITY_INFORMATION,
    SE_KERNEL_OBJECT,
)
from sidewall.platforms.windows.errors import ApiError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.platforms.windows.api import Api
    from sidewall.platforms.windows.handles import Handle

PREFIX = "\\\\.\\pipe\\sidewall-runner-"
TALK = 0x12019B
"""Reading and writing data and attributes, reading the descriptor, waiting; not FILE_CREATE_PIPE_INSTANCE."""
BLOCK = 1 << 16
CONNECT_SECONDS, WRITE_SECONDS = 60.0, 60.0
PAUSE = 0.01
BUSY, CAME_AND_WENT = 231, 232
ENDED = (6, 38, 109, 232, 233, 995)
"""What reading says when there is no other end any more: ERROR_INVALID_HANDLE, _HANDLE_EOF, _BROKEN_PIPE, _NO_DATA,
_PIPE_NOT_CONNECTED, _OPERATION_ABORTED."""
AGAIN = "open the sandbox again"


class PipeGone(MachineError):
    """The other end is closed, or takes nothing any more."""


class Pipe:
    """A connected end.  ``send`` from any thread, ``receive`` from one.  ``close`` ends both."""

    def __init__(self, api: Api, handle: Handle) -> None:
        self._api = api
        self.handle = handle
        self._reading = api.kernel32.CreateEventW()
        try:
            self._writing = api.kernel32.CreateEventW()
        except BaseException:
            self._reading.close()
            raise

    def send(self, data: bytes) -> None:
        """All of it; the caller sees to it that one thread at a time does.  Raises PipeGone."""
        rest = data
        while rest:
            try:
                with self._api.kernel32.StartWrite(self.handle, rest, event=self._writing) as pending:
                    written = pending.result() if pending.wait(int(WRITE_SECONDS * 1000)) else 0
            except ApiError as error:
                raise PipeGone(f"the pipe cannot be written to: {error.message}", hint=error.hint or AGAIN) from None
            if not isinstance(written, int) or not written:
                raise PipeGone(f"nothing was taken from the pipe for {WRITE_SECONDS:.0f} s")
            rest = rest[written:]

    def receive(self, milliseconds: int = constants.INFINITE) -> bytes:
        """What comes next; b'' at the end.  Raises PipeGone when nothing comes within the time, or it cannot be
        read."""
        try:
            with self._api.kernel32.StartRead(self.handle, BLOCK, event=self._reading) as pending:
                if not pending.wait(milliseconds):
                    raise PipeGone("nothing came over the pipe in time")
                data = pending.result()
        except ApiError as error:
            if error.code not in ENDED:
                raise PipeGone(f"the pipe cannot be read: {error.message}", hint=error.hint or AGAIN) from None
            return b""
        return data if isinstance(data, bytes) else b""

    def close(self) -> None:
        """Closes this end.  Idempotent."""
        for each in (self.handle, self._reading, self._writing):
            if not each.closed:
                each.close()


def new_name() -> str:
    """A name for one pipe."""
    return PREFIX + os.urandom(16).hex()


def sddl(owner: Sid, account: Sid) -> str:
    """Who may open the pipe: the owner's user; the account, which makes no other instance; nobody from the network."""
    return f"O:{owner}D:P(D;;GA;;;NU)(A;;GA;;;{owner})(A;;{TALK:#x};;;{account})"


def make(api: Api, name: str, owner: Sid, account: Sid) -> Handle:
    """The owner's end, without a client yet.  Raises Win32Error, also when there is such a pipe already."""
    mode = constants.PIPE_ACCESS_DUPLEX | files.FILE_FLAG_FIRST_PIPE_INSTANCE | files.FILE_FLAG_OVERLAPPED
    return api.kernel32.CreateNamedPipeW(name, mode, constants.PIPE_REJECT_REMOTE_CLIENTS, size=BLOCK,
                                         security=parse(sddl(owner, account)).to_bytes())


def accept(api: Api, pipe: Handle, process: Handle, process_id: int) -> int:
    """Waits for this process to connect; whoever else does is sent away.  How many were.

    Raises MachineError when the process ends before it connects, with its exit code, or does not connect in time.
    """
    kernel, deadline, others = api.kernel32, time.monotonic() + CONNECT_SECONDS, 0
    while True:
        if others and time.monotonic() > deadline:  # whoever may open the pipe may come again and again
            raise MachineError(f"the sandbox's runner (process {process_id}) does not come to its pipe, and others did "
                               f"{others} times", hint="close other sandboxes: a command of one of them keeps it busy")
        try:
            pending = kernel.StartConnect(pipe)
        except ApiError as error:
            if error.code != CAME_AND_WENT:
                raise
            others += 1
            kernel.DisconnectNamedPipe(pipe)
            continue
        with pending:
            while not pending.wait(0):
                left = deadline - time.monotonic()
                if left <= 0:
                    raise MachineError(f"the sandbox's runner (process {process_id}) was started and does not connect",
                                       hint="try again; a virus scanner may hold up every new program")
                which = kernel.WaitForMultipleObjects((pending.event, process), max(1, int(left * 1000)))
                if which == constants.WAIT_OBJECT_0 + 1 and not pending.wait(0):
                    raise ended(api, process)
        if kernel.GetNamedPipeClientProcessId(pipe) == process_id:
            return others
        others += 1
        kernel.DisconnectNamedPipe(pipe)


def ended(api: Api, process: Handle) -> MachineError:
    """The error that tells of a runner that has ended."""
    from sidewall.platforms.windows.errors import failure
    from sidewall.platforms.windows.prototypes import STATUS

    code = api.kernel32.GetExitCodeProcess(process)
    if code >= 0xC0000000:
        told = failure("the start of the sandbox's runner", STATUS, code)
        return MachineError(told.message, hint=told.hint or "`sidewall doctor` looks at the machine")
    return MachineError(f"the sandbox's runner ended with exit code {code} before it could be used",
                        hint="look whether a policy or a virus scanner stops pythonw.exe")


def user_of_client(api: Api, pipe: Handle) -> Sid:
    """Who is at the client's end, once something was read from it.  Raises Win32Error."""
    with tokens.of_client(api, pipe) as token:
        return Sid.from_bytes(api.advapi32.TokenUser(token))


def connect(api: Api, name: str, server: int, owner: Sid) -> Handle:
    """The runner's end: of the pipe that this process made, which this user owns.

    Raises MachineError when it is somebody else's, or there is none, or it stays taken.
    """
    kernel, deadline = api.kernel32, time.monotonic() + CONNECT_SECONDS
    flags = files.FILE_FLAG_OVERLAPPED | files.SECURITY_SQOS_PRESENT | files.SECURITY_IDENTIFICATION
    while True:
        try:
            pipe = kernel.CreateFileW(name, TALK, files.OPEN_EXISTING, share=0, flags=flags)
            break
        except ApiError as error:
            if error.code != BUSY or time.monotonic() > deadline:
                raise
        time.sleep(PAUSE)  # somebody else came first, and is being sent away
    try:
        check_server(api, pipe, server, owner)
    except BaseException:
        pipe.close()
        raise
    return pipe


def check_server(api: Api, pipe: Handle, server: int, owner: Sid) -> None:
    """Raises MachineError unless the process ``server`` made the pipe and ``owner`` owns it."""
    made_by = api.kernel32.GetNamedPipeServerProcessId(pipe)
    if made_by != server:
        raise MachineError(f"process {made_by} made the pipe of the sandbox's owner, which is process {server}",
                           hint="end that process: it pretends to be the sandbox's owner")
    data = api.advapi32.GetSecurityInfo(pipe, SE_KERNEL_OBJECT, OWNER_SECURITY_INFORMATION)
    found = SecurityDescriptor.from_bytes(data).owner
    if found != owner:
        raise MachineError(f"the pipe of the sandbox's owner belongs to {found}, and not to {owner}",
                           hint="end that process: it pretends to be the sandbox's owner")


__all__ = ["PREFIX", "Pipe", "PipeGone", "accept", "check_server", "connect", "ended", "make", "new_name", "sddl",
           "user_of_client"]

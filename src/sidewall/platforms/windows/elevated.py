"""The elevated helper, both ends: started with one prompt, told nothing but a word over a pipe that both ends check.

Knows: how a helper is started as administrator, and how the two processes know each other.  Must not know: what is set
up (``exchange``).

The helper gets no argument.  It makes a pipe named after its own process, takes one client, and serves it only if that
is the process that started it; whose accounts are to be made it reads from that client's token.  The client takes the
pipe for the helper's only if the process that made it is the one that it started.
"""

from __future__ import annotations

import os
import sys
import time

if __name__ == "__main__":  # started by path, isolated: the package is where this file is
    _HERE = os.path.abspath(__file__)
    sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(_HERE)))))

from sidewall.errors import MachineError, SidewallError
from sidewall.nt.sddl import parse
from sidewall.platforms.windows import constants_files as files
from sidewall.platforms.windows import constants_process as process
from sidewall.platforms.windows import exchange, tokens
from sidewall.platforms.windows.errors import ApiError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from sidewall.platforms.traces import Removed
    from sidewall.platforms.windows.api import Api
    from sidewall.platforms.windows.credentials import Credential
    from sidewall.platforms.windows.handles import Handle
    from sidewall.platforms.windows.machine import Caller, Machine

FLAGS = "-I -S -X utf8"
"""Without ``site``: what lies among the packages of that Python, a Sidewall of another version for one, was not looked
at and is not imported."""
PIPE = r"\\.\pipe\ProtectedPrefix\Administrators\sidewall-elevated-{}"
"""Only administrators make pipes that are called so: nobody is there first."""
TALK = 0x12019B
"""Reading and writing data and attributes, and not FILE_CREATE_PIPE_INSTANCE."""
PIPE_SDDL = f"D:P(D;;GA;;;NU)(A;;GA;;;SY)(A;;GA;;;BA)(A;;{TALK:#x};;;IU)"
CONNECT_SECONDS, ANSWER_SECONDS = 60, 600
CANCELLED, NOT_FOUND, BUSY = 1223, 2, 231
DONE, FAILED, REFUSED = 0, 1, 2


class PipeChannel:
    """Messages over an overlapped handle: four bytes of length, then as many bytes."""

    def __init__(self, api: Api, pipe: Handle, seconds: float) -> None:
        self._api = api
        self._pipe = pipe
        self._milliseconds = int(seconds * 1000)

    def send(self, data: bytes) -> None:
        """See ``exchange.Channel``."""
        rest = len(data).to_bytes(4, "little") + data
        while rest:
            with self._api.kernel32.StartWrite(self._pipe, rest) as pending:
                if not pending.wait(self._milliseconds):
                    raise _silent()
                written = pending.result()
            assert isinstance(written, int)
            if not written:
                raise _silent()
            rest = rest[written:]

    def receive(self) -> bytes:
        """See ``exchange.Channel``."""
        size = int.from_bytes(self._exactly(4), "little")
        if size > exchange.LARGEST:
            raise MachineError("the other side of the set-up sent a message without end",
                               hint="run `sidewall setup` again")
        return self._exactly(size)

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            with self._api.kernel32.StartRead(self._pipe, size - len(data)) as pending:
                if not pending.wait(self._milliseconds):
                    raise _silent()
                more = pending.result()
            assert isinstance(more, bytes)
            if not more:
                raise _silent()
            data += more
        return data


def _silent() -> MachineError:
    return MachineError("the other side of the set-up ended or does not answer",
                        hint="run `sidewall setup` again; `sidewall status` lists what is there")


# The user's side.


def run(machine: Machine, action: str, keep: Callable[[tuple[Credential, ...]], object]) -> Removed:
    """Starts the helper, with the system's prompt, and has it do ``action``.  Raises MachineError, Win32Error
    (ERROR_CANCELLED when the person said no)."""
    api = machine.api
    # Not in the current directory, which a stranger's workspace may be.
    with api.shell32.ShellExecuteExW(_python(), f'{FLAGS} "{os.path.abspath(__file__)}"',
                                     directory=api.kernel32.GetSystemDirectoryW()) as helper:
        with _connected(api, helper) as pipe:
            done = exchange.ask(PipeChannel(api, pipe, ANSWER_SECONDS), action, keep)
        api.kernel32.WaitForSingleObject(helper, CONNECT_SECONDS * 1000)
    return done


def _python() -> str:
    """The interpreter itself: in a virtual environment another program of that name starts it, and would be the
    helper's parent."""
    return str(getattr(sys, "_base_executable", "") or sys.executable)


def _connected(api: Api, helper: Handle) -> Handle:
    number = api.kernel32.GetProcessId(helper)
    deadline = time.monotonic() + CONNECT_SECONDS
    while True:
        try:
            pipe = api.kernel32.CreateFileW(
                PIPE.format(number), TALK, files.OPEN_EXISTING, share=0,
                flags=files.FILE_FLAG_OVERLAPPED | files.SECURITY_SQOS_PRESENT | files.SECURITY_IDENTIFICATION)
            break
        except ApiError as error:
            if error.code not in (NOT_FOUND, BUSY):
                raise
        ended = api.kernel32.WaitForSingleObject(helper, 50) == process.WAIT_OBJECT_0
        if ended or time.monotonic() > deadline:
            told = f"it ended with code {api.kernel32.GetExitCodeProcess(helper)}" if ended else "it does not answer"
            raise MachineError(f"the elevated helper was started, and {told}",
                               hint="look whether a policy or a virus scanner stops python.exe; fleets use "
                                    "`sidewall setup --for-user SID` from an elevated prompt")
    server = api.kernel32.GetNamedPipeServerProcessId(pipe)
    if server != number:
        pipe.close()
        raise MachineError(f"process {server} made the pipe that belongs to the elevated helper ({number})",
                           hint="end that process: it pretends to be Sidewall's helper")
    return pipe


# The helper's side.


def main(machine: Machine) -> int:
    """The helper; its exit code.  Raises nothing of ours."""
    api = machine.api
    try:
        if not machine.caller().elevated:
            return REFUSED
        with _pipe(api) as pipe:
            with api.kernel32.StartConnect(pipe) as pending:
                if not pending.wait(CONNECT_SECONDS * 1000):
                    return REFUSED
            check_parent(api, api.kernel32.GetNamedPipeClientProcessId(pipe))
            channel = PipeChannel(api, pipe, CONNECT_SECONDS)
            action = exchange.requested(channel.receive())
            client = client_of(machine, pipe)
            if client.confined:
                return REFUSED
            done = exchange.serve(machine, client.user, action, channel)
            api.kernel32.FlushFileBuffers(pipe)
            return DONE if done else FAILED
    except SidewallError as error:
        print(f"sidewall: error: {error}", file=sys.stderr)
        return REFUSED


def _pipe(api: Api) -> Handle:
    return api.kernel32.CreateNamedPipeW(
        PIPE.format(os.getpid()),
        process.PIPE_ACCESS_DUPLEX | files.FILE_FLAG_FIRST_PIPE_INSTANCE | files.FILE_FLAG_OVERLAPPED,
        process.PIPE_REJECT_REMOTE_CLIENTS, security=parse(PIPE_SDDL).to_bytes())


def check_parent(api: Api, client: int) -> None:
    """Raises MachineError unless the process ``client`` is the one that started this one."""
    own = api.kernel32.GetCurrentProcess()
    parent = api.ntdll.ParentProcessId(own)
    if client == parent:
        with api.kernel32.OpenProcess(process.PROCESS_QUERY_LIMITED_INFORMATION, client) as other:
            # A number is used again once its process is gone: the parent is older than we are.
            if api.kernel32.GetProcessTimes(other)[0] <= api.kernel32.GetProcessTimes(own)[0]:
                return
    raise MachineError(f"process {client} asks the elevated helper, which process {parent} started",
                       hint="run `sidewall setup` itself")


def client_of(machine: Machine, pipe: Handle) -> Caller:
    """Who is at the other end, by the token of whoever sent the last message.  Raises Win32Error."""
    with tokens.of_client(machine.api, pipe) as token:
        return machine.whose(token)


if __name__ == "__main__":
    from sidewall.platforms.windows.machine import native

    sys.exit(main(native()) if len(sys.argv) == 1 else REFUSED)


__all__ = ["PipeChannel", "check_parent", "client_of", "main", "run"]

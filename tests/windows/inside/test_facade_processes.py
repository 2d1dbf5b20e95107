"""kernel32's processes, jobs, pipes and consoles on a real Windows, or on Wine.

Knows: which effects Wine has.  Must not know: plans.  Every process ends with its job.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator

import pytest

if sys.platform != "win32":
    pytest.skip("a Windows Python is needed", allow_module_level=True)

from sidewall.nt.mask import GENERIC_READ, GENERIC_WRITE
from sidewall.platforms.windows import api
from sidewall.platforms.windows import constants_files as files
from sidewall.platforms.windows import constants_process as constants
from sidewall.platforms.windows import constants_security as security
from sidewall.platforms.windows import layouts_process as layouts
from sidewall.platforms.windows.errors import CallError, Win32Error
from sidewall.platforms.windows.handles import Handle
from sidewall.platforms.windows.startup import Started, StartInfo, environment_block, environment_of

WINDOWS = api.native()
KERNEL = WINDOWS.kernel32
COMMAND = os.path.join(KERNEL.GetSystemDirectoryW(), "cmd.exe")
DEADLINE = 30_000


@pytest.fixture
def job() -> Iterator[Handle]:
    """A job whose processes end with it."""
    with KERNEL.CreateJobObjectW() as made:
        limits = layouts.JOBOBJECT_EXTENDED_LIMIT_INFORMATION()
        limits.BasicLimitInformation.LimitFlags = constants.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE
        KERNEL.SetInformationJobObject(made, limits)
        yield made
        KERNEL.TerminateJobObject(made, 1)


def finish(started: Started) -> int:
    """Waits for the end: the exit code."""
    try:
        assert KERNEL.WaitForSingleObject(started.process, DEADLINE) == constants.WAIT_OBJECT_0
        return KERNEL.GetExitCodeProcess(started.process)
    finally:
        started.close()


@pytest.mark.parametrize(("word", "code"), [("7", 7), ("0", 0), ("-1073741819", 0xC0000005)])
def test_exit_codes_of_32_bits_pass(word: str, code: int) -> None:
    info = StartInfo(command_line=f"cmd /c exit {word}", application=COMMAND)
    assert finish(KERNEL.CreateProcessW(info)) == code


def test_with_a_token_of_its_own() -> None:
    advapi32 = WINDOWS.advapi32
    with advapi32.OpenProcessToken(KERNEL.GetCurrentProcess(), security.TOKEN_ALL_ACCESS) as token:
        info = StartInfo(command_line="cmd /c exit 5", application=COMMAND)
        assert finish(advapi32.CreateProcessAsUserW(token, info)) == 5


def test_a_start_that_fails_says_what_was_to_start() -> None:
    with pytest.raises(Win32Error, match=r"CreateProcessW failed: ERROR_FILE_NOT_FOUND .*no-such\.exe"):
        KERNEL.CreateProcessW(StartInfo(command_line="x", application="C:\\no-such.exe"))
    with pytest.raises(CallError, match="32766"):
        KERNEL.CreateProcessW(StartInfo(command_line="x" * 40_000))
    with pytest.raises(CallError, match="1023"):
        WINDOWS.advapi32.CreateProcessWithLogonW("u", ".", "p", StartInfo(command_line="x" * 1024))


def test_output_environment_job_and_messages(job: Handle) -> None:
    reading, writing = KERNEL.CreatePipe()
    KERNEL.SetHandleInherit(writing, True)
    nothing = KERNEL.CreateFileW("NUL", GENERIC_READ, files.OPEN_EXISTING, inherit=True)
    variables = {"SystemRoot": KERNEL.GetWindowsDirectoryW(), "SIDEWALL_WORD": "one two"}
    with reading, nothing, writing, KERNEL.CreateIoCompletionPort() as port:
        KERNEL.SetInformationJobObject(job, layouts.JOBOBJECT_ASSOCIATE_COMPLETION_PORT(9, port.value))
        with KERNEL.ProcThreadAttributeList(handles=[writing, nothing], jobs=[job]) as attributes:
            started = KERNEL.CreateProcessW(StartInfo(
                command_line="cmd /c echo %SIDEWALL_WORD%", application=COMMAND, inherit=True, attributes=attributes,
                environment=environment_block(variables), stdio=(nothing, writing, writing),
                flags=constants.CREATE_SUSPENDED))
        # Suspended, and in the job already: no instruction of it ran outside.
        assert KERNEL.IsProcessInJob(started.process, job)
        assert KERNEL.JobProcesses(job) == (started.process_id,)
        assert KERNEL.GetProcessId(started.process) == started.process_id
        assert started.process_id in KERNEL.EnumProcesses()
        assert WINDOWS.ntdll.ParentProcessId(started.process) == os.getpid()
        assert KERNEL.QueryFullProcessImageNameW(started.process).lower() == COMMAND.lower()
        assert KERNEL.ProcessIdToSessionId(started.process_id) == KERNEL.ProcessIdToSessionId(os.getpid())
        assert KERNEL.ResumeThread(started.thread) == 1
        writing.close()
        output = b""
        while part := KERNEL.ReadFile(reading, 100):
            output += part
        assert output.strip() == b"one two"
        assert KERNEL.WaitForSingleObject(started.process, DEADLINE) == constants.WAIT_OBJECT_0
        begun, ended, *_ = KERNEL.GetProcessTimes(started.process)
        assert 0 < begun <= ended
        messages = [KERNEL.GetQueuedCompletionStatus(port, DEADLINE) for _ in range(3)]
        assert messages[:2] == [(constants.JOB_OBJECT_MSG_NEW_PROCESS, 9, started.process_id),
                                (constants.JOB_OBJECT_MSG_EXIT_PROCESS, 9, started.process_id)]
        assert KERNEL.GetQueuedCompletionStatus(port, 0) is None
        assert KERNEL.QueryInformationJobObject(job, layouts.JOBOBJECT_BASIC_ACCOUNTING_INFORMATION).TotalProcesses == 1
        assert KERNEL.PeakWorkingSet(KERNEL.GetCurrentProcess()) > 2**20
        started.close()


def test_closing_the_last_handle_of_a_job_ends_its_processes() -> None:
    with KERNEL.CreateJobObjectW() as made:
        limits = layouts.JOBOBJECT_EXTENDED_LIMIT_INFORMATION()
        limits.BasicLimitInformation.LimitFlags = constants.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE
        KERNEL.SetInformationJobObject(made, limits)
        started = KERNEL.CreateProcessW(StartInfo(command_line="cmd", application=COMMAND,
                                                  flags=constants.CREATE_SUSPENDED))
        KERNEL.AssignProcessToJobObject(made, started.process)
        with KERNEL.OpenProcess(constants.PROCESS_QUERY_LIMITED_INFORMATION, started.process_id) as seen:
            assert KERNEL.GetExitCodeProcess(seen) == constants.STILL_ACTIVE
    finish(started)


def test_events_and_duplicates() -> None:
    with KERNEL.CreateEventW() as event, KERNEL.DuplicateHandle(event) as other:
        assert KERNEL.WaitForSingleObject(event, 0) == constants.WAIT_TIMEOUT
        KERNEL.SetEvent(other)
        assert KERNEL.WaitForMultipleObjects([event, other], 0) == constants.WAIT_OBJECT_0
        KERNEL.ResetEvent(event)
        assert KERNEL.WaitForMultipleObjects([event, other], 0) == constants.WAIT_TIMEOUT
        KERNEL.SetHandleInherit(event, True)
        assert KERNEL.GetHandleInherit(event)
        assert not KERNEL.GetHandleInherit(other)
        with pytest.raises(Win32Error, match=r"ERROR_ACCESS_DENIED|ERROR_INVALID_PARAMETER"):
            KERNEL.OpenProcess(constants.PROCESS_ALL_ACCESS, 0)


def test_a_named_pipe_in_both_directions_at_once() -> None:
    name = f"\\\\.\\pipe\\sidewall-test-{os.getpid()}"
    mode = constants.PIPE_ACCESS_DUPLEX | files.FILE_FLAG_OVERLAPPED | files.FILE_FLAG_FIRST_PIPE_INSTANCE
    server = KERNEL.CreateNamedPipeW(name, mode, constants.PIPE_REJECT_REMOTE_CLIENTS,
                                     security=WINDOWS.advapi32.DescriptorOf("D:P(A;;GA;;;WD)"))
    with server:
        with KERNEL.StartConnect(server) as connecting:
            assert not connecting.wait(0)
            KERNEL.WaitNamedPipeW(name, 1000)
            flags = files.FILE_FLAG_OVERLAPPED | files.SECURITY_SQOS_PRESENT | files.SECURITY_IDENTIFICATION
            access = GENERIC_READ | GENERIC_WRITE
            client = KERNEL.CreateFileW(name, access, files.OPEN_EXISTING, share=0, flags=flags)
            assert connecting.wait(DEADLINE)
        with client:
            assert KERNEL.GetNamedPipeClientProcessId(server) == os.getpid()
            assert KERNEL.GetNamedPipeServerProcessId(client) == os.getpid()
            assert KERNEL.GetNamedPipeClientSessionId(server) == KERNEL.ProcessIdToSessionId(os.getpid())
            with KERNEL.StartRead(server, 100) as reading:
                assert not reading.wait(20)
                for end, data in ((server, b"there"), (client, b"back")):  # while the server's end is being read
                    with KERNEL.StartWrite(end, data) as writing:
                        assert writing.wait(DEADLINE)
                        assert writing.result() == len(data)
                assert reading.wait(DEADLINE)
                assert reading.result() == b"back"
            assert KERNEL.PeekNamedPipe(client) == 5
            with KERNEL.StartRead(client, 3) as reading:
                assert reading.wait(DEADLINE)
                assert reading.result() == b"the"
            with KERNEL.StartRead(server, 100) as reading:
                reading.cancel()
                assert reading.result() == b""
        with KERNEL.StartRead(server, 100) as reading:
            assert reading.wait(DEADLINE)
            assert reading.result() == b""
        KERNEL.DisconnectNamedPipe(server)


def test_a_pending_operation_that_is_dropped_is_cancelled() -> None:
    name = f"\\\\.\\pipe\\sidewall-drop-{os.getpid()}"
    mode = constants.PIPE_ACCESS_DUPLEX | files.FILE_FLAG_OVERLAPPED
    with KERNEL.CreateNamedPipeW(name, mode, 0) as server:
        pending = KERNEL.StartConnect(server)
        event = pending.event
        del pending
        event.close()
        with KERNEL.StartConnect(server) as again:  # the first is over, or this one would wait behind it
            assert not again.wait(0)


def test_the_environment_block_is_sorted_and_whole() -> None:
    variables = {"b": "2", "A": "1=1", "=C:": "C:\\", "한글": "값"}
    block = environment_block(variables)
    assert environment_of(block) == variables
    assert block.endswith(b"\0\0\0\0")
    for name, value in (("a=b", ""), ("", "x"), ("a\0b", ""), ("a", "x\0y")):
        with pytest.raises(CallError):
            environment_block({name: value})


def test_a_pseudo_console_carries_a_command() -> None:
    with pytest.raises(Win32Error), KERNEL.CreateFileW("NUL", GENERIC_READ, files.OPEN_EXISTING) as nothing:
        KERNEL.GetConsoleMode(nothing)
    keys_in, keys = KERNEL.CreatePipe()
    screen, screen_in = KERNEL.CreatePipe()
    with keys, screen:
        console = KERNEL.CreatePseudoConsole(80, 25, keys_in, screen_in)
        keys_in.close()
        screen_in.close()
        shown: list[bytes] = []
        reader = threading.Thread(target=lambda: shown.extend(iter(lambda: KERNEL.ReadFile(screen, 1000), b"")))
        reader.start()
        with KERNEL.ProcThreadAttributeList(pseudo_console=console) as attributes:
            info = StartInfo(command_line="cmd /c exit 9", application=COMMAND, attributes=attributes)
            assert finish(KERNEL.CreateProcessW(info)) == 9
        console.close()
        reader.join(30)
        assert not reader.is_alive(), "the screen's pipe stayed open after the console was closed"

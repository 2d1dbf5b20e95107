"""What a command holds of its standard streams: ends of pipes with which it cannot act as whoever is at the other one.

Knows: the ends of a pipe.  Must not know: how they are made.  The command itself says what it got, and tries.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

if sys.platform != "win32":
    pytest.skip("a Windows Python is needed", allow_module_level=True)

from sidewall import Sandbox
from sidewall.platforms.windows import input_pipe
from sidewall.platforms.windows.api import native
from sidewall.platforms.windows.descriptors import handle_of
from sidewall.platforms.windows.errors import ApiError
from sidewall.session.system import pipe

API = native()
KERNEL = API.kernel32
SECONDS = 60.0

LOOKS = """
import ctypes, sys
kernel, advapi = ctypes.WinDLL("kernel32", use_last_error=True), ctypes.WinDLL("advapi32", use_last_error=True)
kernel.GetStdHandle.restype = ctypes.c_void_p
kernel.GetNamedPipeInfo.argtypes = [ctypes.c_void_p] * 5
advapi.ImpersonateNamedPipeClient.argtypes = [ctypes.c_void_p]
told = sys.stdin.buffer.read(5).decode()
for number in (-10, -11, -12):
    handle, flags = kernel.GetStdHandle(number), ctypes.c_uint32()
    if not kernel.GetNamedPipeInfo(handle, ctypes.byref(flags), None, None, None):
        told += " none"
        continue
    told += " server" if flags.value & 1 else " client"
    if advapi.ImpersonateNamedPipeClient(handle):
        advapi.RevertToSelf()
        told += "!"
print(told + sys.stdin.buffer.read().decode())
"""


def test_the_ends_of_an_input_pipe() -> None:
    reading, writing = input_pipe.make(API)
    with reading, writing:
        assert input_pipe.is_server(API, writing) and not input_pipe.is_server(API, reading)
        assert KERNEL.GetNamedPipeInfo(reading) == (0, 1)
        assert KERNEL.WriteFile(writing, b"over") == 4
        assert KERNEL.ReadFile(reading, 10) == b"over"
        KERNEL.SetNamedPipeHandleState(reading, 0)
        with pytest.raises(ApiError):
            API.advapi32.ImpersonateNamedPipeClient(reading)
        with pytest.raises(ApiError):
            KERNEL.WriteFile(reading, b"back")
        assert KERNEL.WriteFile(writing, b"the rest") == 8
        writing.close()
        assert KERNEL.ReadFile(reading, 10) == b"the rest"
        assert KERNEL.ReadFile(reading, 10) == b""


def test_nobody_else_comes_to_the_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "urandom", lambda size: b"\7" * size)
    name = input_pipe.PREFIX + "07" * 16
    reading, writing = input_pipe.make(API)
    with reading, writing:
        for access in (0x80000000, 0x40000000, 0xC0000000):
            with pytest.raises(ApiError):
                KERNEL.CreateFileW(name, access, 3, share=7)
        with pytest.raises(ApiError):
            input_pipe.make(API)
    first = KERNEL.CreateNamedPipeW(name, 3, 0, instances=255)
    with first, pytest.raises(ApiError):
        input_pipe.make(API)


def test_what_create_pipe_gives_to_a_reader_is_the_servers_end() -> None:
    """The reason for all this: it may act as whoever writes."""
    reading, writing = pipe()
    assert input_pipe.is_server(API, handle_of(reading)) and not input_pipe.is_server(API, handle_of(writing))
    os.write(writing, b"x")
    os.read(reading, 1)
    API.advapi32.ImpersonateNamedPipeClient(handle_of(reading))
    API.advapi32.RevertToSelf()
    os.close(reading)
    os.close(writing)


@pytest.fixture
def script(tmp_path: Path) -> str:
    made = tmp_path / "looks.py"
    made.write_text(LOOKS)
    return str(made)


def test_in_a_session(tmp_path: Path, script: str) -> None:
    with Sandbox(workspace=tmp_path, tier="token", require=()) as box:
        done = box.run([sys.executable, script], input=b"hello there", capture_output=True, timeout=SECONDS)
        assert done.stdout.split() == [b"hello", b"client", b"client", b"client", b"there"], done
        with box.popen([sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            out, _ = process.communicate(b"hello there", timeout=SECONDS)
        assert out.split()[:3] == [b"hello", b"client", b"client"]


def run(script: str, workspace: Path, stdin: object) -> bytes:
    words = [sys.executable, "-m", "sidewall", "run", "--tier", "token", "--require", "none", "--", sys.executable]
    done = subprocess.run([*words, script], stdin=stdin, capture_output=True, cwd=workspace, timeout=SECONDS)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stderr
    return bytes(done.stdout)


def test_on_the_command_line(tmp_path: Path, script: str) -> None:
    """A pipe that `type file | sidewall run` makes is not handed on; one that a client's end is of is, at no cost."""
    for make in (pipe, lambda: input_pipe.pair(API)):
        first, second = make()
        os.write(second, b"hello there")
        os.close(second)
        try:
            assert run(script, tmp_path, first).split() == [b"hello", b"client", b"client", b"client", b"there"]
        finally:
            os.close(first)


def test_a_console_less_file_is_relayed_too(tmp_path: Path, script: str) -> None:
    (tmp_path / "words").write_bytes(b"hello there")
    with open(tmp_path / "words", "rb") as stream:
        assert run(script, tmp_path, stream).split()[:2] == [b"hello", b"client"]

"""Commands that run while the caller does other things: streams, waiting, signals, terminals.

Knows: what ``subprocess.Popen`` promises.  Must not know: how a cell is made.
"""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import sidewall
from sidewall import Sandbox

ASK = "while read line; do echo \"<$line>\"; done; echo bye >&2; exit 3"


@pytest.mark.usefixtures("descriptors")
def test_a_conversation(sandbox: Sandbox) -> None:
    process = sandbox.start(["sh", "-c", ASK], stdin=sidewall.PIPE)
    for word in (b"one", b"two"):
        process.stdin.write(word + b"\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"<" + word + b">\n"
    assert process.poll() is None and process.returncode is None
    process.stdin.close()
    assert process.wait(30) == process.poll() == process.returncode == 3
    assert (process.stdout.read(), process.stderr.read()) == (b"", b"bye\n")
    assert process.usage is not None and process.usage.returncode == 3
    with process:
        pass
    assert process.stdout.closed
    sandbox.close()
    del process


def test_output_comes_as_it_is_written(sandbox: Sandbox, workspace: Path) -> None:
    process = sandbox.start(["sh", "-c", "echo first; while [ ! -e go ]; do sleep 0.02; done; echo second"], text=True)
    assert next(process.stdout) == "first\n"
    assert process.poll() is None
    (workspace / "go").touch()
    assert list(process.stdout) == ["second\n"]
    assert process.wait(30) == 0


def test_standard_input_is_empty_unless_piped(sandbox: Sandbox) -> None:
    process = sandbox.start(["cat"])
    assert process.stdin is None
    assert process.communicate(timeout=30) == (b"", b"")


def test_signals(sandbox: Sandbox) -> None:
    process = sandbox.start(["sh", "-c", "trap 'echo usr' USR1; echo up; while :; do sleep 0.05; done"], text=True)
    process.stdout.readline()
    process.send_signal(signal.SIGUSR1)
    assert process.stdout.readline() == "usr\n"
    process.terminate()
    assert process.wait(30) == -signal.SIGTERM
    process.terminate()
    process.kill()
    assert process.returncode == -signal.SIGTERM


def test_what_is_not_killed_goes_on(sandbox: Sandbox, survivor: Any) -> None:
    sandbox.run(["sh", "-c", f"{survivor.script} > /dev/null 2>&1 &"])
    assert survivor.survives()


def test_kill_takes_the_tree(sandbox: Sandbox, survivor: Any) -> None:
    process = sandbox.start(["sh", "-c", f"{survivor.script} & echo up; sleep 600"])
    process.stdout.readline()
    process.kill()
    assert process.wait(30) == -signal.SIGKILL
    assert not survivor.survives()


def test_waiting_ends_after_a_while_and_the_command_goes_on(sandbox: Sandbox) -> None:
    process = sandbox.start(["sh", "-c", "read x; exit 5"], stdin=sidewall.PIPE)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=0.1)
    assert process.poll() is None
    process.stdin.close()
    assert process.wait() == 5


def test_communicate_loses_nothing_after_a_time_out(sandbox: Sandbox, workspace: Path) -> None:
    process = sandbox.start(["sh", "-c", "cat; while [ ! -e go ]; do sleep 0.02; done; echo after; echo e >&2"],
                            stdin=sidewall.PIPE)
    data = b"z" * 300_000
    with pytest.raises(sidewall.TimeoutExpired) as caught:
        process.communicate(data, timeout=0.5)
    assert caught.value.output == data
    with pytest.raises(ValueError):
        process.communicate(b"more", timeout=0.1)
    (workspace / "go").touch()
    assert process.communicate(timeout=30) == (data + b"after\n", b"e\n")
    assert process.communicate() == (data + b"after\n", b"e\n")
    assert process.returncode == 0


@pytest.mark.parametrize("text", [False, True])
def test_popen_where_popen_is_expected(sandbox: Sandbox, workspace: Path, text: bool) -> None:
    """The same use of both, attribute by attribute."""
    seen = []
    for popen in (subprocess.Popen, sandbox.popen):
        options = {"cwd": workspace} if popen is subprocess.Popen else {}
        with popen(["sh", "-c", "cat; echo 'a\r' >&2; exit 9"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                   stderr=subprocess.PIPE, text=text, encoding="utf-8" if text else None, start_new_session=True,
                   bufsize=1 if text else -1, close_fds=True, **options) as process:
            assert process.poll() is None and process.pid > 0
            out, err = process.communicate("é\n" if text else b"\xff\n", timeout=30)
        seen.append((process.args, process.returncode, out, err, process.stdin.closed, process.stdout.closed,
                     process.universal_newlines, process.text_mode, process.encoding, process.errors))
    assert seen[1][:6] == seen[0][:6]
    assert [bool(part) for part in seen[1][6:9]] == [bool(part) for part in seen[0][6:9]]


def test_popen_with_shell_and_inherited_output(sandbox: Sandbox, capfd: pytest.CaptureFixture[str]) -> None:
    with sandbox.popen("echo $((1 + 1))", shell=True) as process:
        assert (process.stdin, process.stdout, process.stderr) == (None, None, None)
    assert process.returncode == 0
    assert capfd.readouterr().out == "2\n"


def test_an_exception_in_the_block_kills(sandbox: Sandbox) -> None:
    with pytest.raises(ZeroDivisionError):
        with sandbox.start(["sleep", "600"]) as process:
            raise ZeroDivisionError
    assert process.returncode == -signal.SIGKILL


@pytest.mark.usefixtures("descriptors")
def test_a_program_that_is_not_there(sandbox: Sandbox) -> None:
    for tty in (False, True):
        with pytest.raises(FileNotFoundError) as caught:
            sandbox.start(["no-such-program"], stdin=-1, tty=tty)
        assert caught.value.filename == "no-such-program"
    sandbox.close()


@pytest.mark.usefixtures("descriptors")
def test_a_terminal(sandbox: Sandbox) -> None:
    process = sandbox.start(["sh", "-c", "trap 'stty size' WINCH; tty; stty size; while :; do sleep 0.05; done"],
                            tty=(30, 100), text=True)
    assert process.stderr is None
    assert process.stdout.readline().startswith("/dev/pts/")
    assert process.stdout.readline() == "30 100\n"
    process.resize(41, 123)
    assert process.stdout.readline() == "41 123\n"
    process.stdin.write("\x03")  # the terminal makes it a signal
    assert process.wait(30) == -signal.SIGINT
    with process:
        pass
    sandbox.close()
    del process


def test_a_terminal_is_read_to_its_end(sandbox: Sandbox) -> None:
    process = sandbox.start(["sh", "-c", "test -t 0 && test -t 1 && test -t 2 && echo all; cat"], tty=True)
    out, err = process.communicate(b"hello\n", timeout=30)
    assert (sorted(out.split()), err, process.returncode) == ([b"all", b"hello", b"hello"], None, 0)  # one is the echo


def test_a_terminal_is_controlling(sandbox: Sandbox) -> None:
    process = sandbox.start(["sh", "-c", "echo through > /dev/tty"], tty=True)
    assert process.communicate(timeout=30)[0] == b"through\r\n"


def test_sizes_that_cannot_be(sandbox: Sandbox) -> None:
    for size in ((0, 80), (24, -1), (70000, 80)):
        with pytest.raises(ValueError):
            sandbox.start(["true"], tty=size)
    process = sandbox.start(["true"])
    with pytest.raises(ValueError):
        process.resize(24, 80)
    process.wait(30)


def test_the_policys_wall_time_bounds_a_started_command(make: Callable[..., Sandbox]) -> None:
    process = make(limits=sidewall.Limits(wall_seconds=0.5)).start(["sleep", "600"])
    assert process.wait(30) == -signal.SIGKILL


def test_a_server_is_reached_by_a_second_command(sandbox: Sandbox) -> None:
    serve = ("import socket; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True); "
             "c, _ = s.accept(); c.sendall(b'from the server'); c.close()")
    server = sandbox.start(["python3", "-c", serve], text=True)
    port = server.stdout.readline().strip()
    ask = f"import socket; print(socket.create_connection(('127.0.0.1', {port})).recv(99).decode())"
    assert sandbox.run(["python3", "-c", ask], capture_output=True, text=True).stdout == "from the server\n"
    assert server.wait(30) == 0


def test_the_process_id_is_the_one_in_the_cell(sandbox: Sandbox) -> None:
    process = sandbox.start(["sh", "-c", "echo $$"], text=True)
    assert process.communicate(timeout=30)[0] == f"{process.pid}\n"
    assert "returncode: 0" in repr(process)

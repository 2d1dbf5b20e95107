"""Much output, odd bytes, held pipes, and what is left of descriptors and memory afterwards.

Knows: what a command may do to its streams.  Must not know: how a cell is made.
"""

from __future__ import annotations

import os
import resource
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import sidewall
from sidewall import Sandbox


@pytest.mark.usefixtures("descriptors")
def test_output_is_capped_not_lost_in_silence(sandbox: Sandbox) -> None:
    flood = "i=0; while [ $i -lt 1000 ]; do printf %0100d $i; i=$((i+1)); done; printf end >&2; exit 5"
    done = sandbox.run(["sh", "-c", flood], capture_output=True, output_limit=250)
    assert (done.stdout, done.stderr, done.truncated, done.returncode) == (
        f"{0:0100d}{1:0100d}{2:0100d}"[:250].encode(), b"end", True, 5)
    whole = sandbox.run(["printf", "%0250d", "1"], capture_output=True, output_limit=250)
    assert (len(whole.stdout), whole.truncated) == (250, False)
    sandbox.close()


def test_the_policys_limit_is_the_highest(make: Callable[..., Sandbox]) -> None:
    sandbox = make(limits=sidewall.Limits(output_bytes=100))
    for asked in (None, 0, 1000):
        done = sandbox.run(["printf", "%0500d", "1"], capture_output=True, output_limit=asked)
        assert (len(done.stdout), done.truncated) == (100, True)
    assert len(sandbox.run(["printf", "%0500d", "1"], capture_output=True, output_limit=50).stdout) == 50


def test_no_limit_at_all(make: Callable[..., Sandbox]) -> None:
    sandbox = make(limits=sidewall.Limits(output_bytes=0))
    done = sandbox.run(["head", "-c", "70000000", "/dev/zero"], capture_output=True)
    assert (len(done.stdout), done.truncated) == (70_000_000, False)


@pytest.mark.parametrize("megabytes", [200, pytest.param(1000, marks=pytest.mark.slow)])
def test_memory_stays_small_whatever_comes(megabytes: int, sandbox: Sandbox) -> None:
    sandbox.run(["true"])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    done = sandbox.run(["head", "-c", str(megabytes << 20), "/dev/zero"], capture_output=True, output_limit=1 << 20)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert (done.returncode, done.truncated, len(done.stdout)) == (0, True, 1 << 20)
    assert grown < 32 << 10  # KiB


def test_bytes_that_are_no_text(sandbox: Sandbox) -> None:
    script = ["printf", "a\\377\\000\\303\\251\\n"]
    assert sandbox.run(script, stdout=-1).stdout == b"a\xff\0\xc3\xa9\n"
    assert sandbox.run(script, stdout=-1, text=True).stdout == "a\ufffd\0é\n"
    with pytest.raises(UnicodeDecodeError):
        sandbox.run(script, stdout=-1, text=True, errors="strict")


def test_text_and_bytes_are_not_mixed(sandbox: Sandbox) -> None:
    with pytest.raises(TypeError):
        sandbox.run(["cat"], input="text")
    with pytest.raises(TypeError):
        sandbox.run(["cat"], input=b"bytes", text=True)
    with pytest.raises(TypeError):
        sandbox.run(["cat"], input=5)
    assert sandbox.run(["cat"], input=bytearray(b"ab"), stdout=-1).stdout == b"ab"
    assert sandbox.run(["cat"], input=memoryview(b"xabx")[1:3], stdout=-1).stdout == b"ab"


@pytest.mark.usefixtures("descriptors")
def test_a_background_process_that_holds_the_pipe_does_not_hold_the_call(sandbox: Sandbox, workspace: Path) -> None:
    """And neither dies of it: what it writes later goes nowhere, but it goes."""
    script = ("echo now; (while [ ! -e go ]; do sleep 0.02; done; i=0; while [ $i -lt 300 ]; do printf %01000d 1; "
              "i=$((i+1)); done; echo ok > finished) & exit 3")
    done = sandbox.run(["sh", "-c", script], capture_output=True)
    assert (done.returncode, done.stdout) == (3, b"now\n")
    assert done.duration < 30  # the process it left behind never ends by itself
    sandbox.run(["touch", "go"])
    for _ in range(500):
        if (workspace / "finished").exists():
            break
        time.sleep(0.02)
    assert (workspace / "finished").read_text() == "ok\n"
    sandbox.close()


def test_many_held_pipes_make_one_thread_and_leave_none(sandbox: Sandbox) -> None:
    for _ in range(5):
        sandbox.run(["sh", "-c", "sleep 600 & echo x"], capture_output=True)
    threads = [thread for thread in threading.enumerate() if thread.name == "sidewall-leftovers"]
    assert len(threads) == 1
    sandbox.close()
    assert not threads[0].is_alive()


def test_a_closed_stream_is_no_failure(sandbox: Sandbox) -> None:
    done = sandbox.run(["sh", "-c", "exec >&- 2>&- <&-; sleep 0.2; exit 6"], capture_output=True, input=b"unread")
    assert (done.returncode, done.stdout, done.stderr) == (6, b"", b"")


def test_input_is_whole_and_in_order(sandbox: Sandbox) -> None:
    data = os.urandom(1 << 16) * 64
    done = sandbox.run(["sh", "-c", "sleep 0.1; cat"], input=data, stdout=-1)
    assert done.stdout == data


@pytest.mark.usefixtures("descriptors")
def test_descriptors_are_given_back(sandbox: Sandbox) -> None:
    """A session that lives on opens some for itself; commands take none with them, and its end gives all back."""
    counts = []
    for count in (15, 15, 15):
        for _ in range(count):
            sandbox.run(["echo", "x"], capture_output=True, input=b"y")
            sandbox.run(["true"])
            with pytest.raises(FileNotFoundError):
                sandbox.run(["no-such-program"], capture_output=True, input=b"z" * 200_000)
        counts.append(len(os.listdir("/proc/self/fd")))
    assert counts[0] == counts[1] == counts[2]
    sandbox.close()


def test_only_the_standard_streams_reach_the_command(sandbox: Sandbox, tmp_path: Path) -> None:
    with open(tmp_path / "open", "w") as file:
        os.dup2(file.fileno(), 77, inheritable=True)
        try:
            done = sandbox.run(["sh", "-c", "ls -l /proc/self/fd"], stdout=-1, text=True)
        finally:
            os.close(77)
    assert done.stdout.count(" -> ") == 4  # the three, and the directory that ls itself reads
    assert " 77 -> " not in done.stdout


def test_no_controlling_terminal_and_a_session_of_its_own(sandbox: Sandbox) -> None:
    done = sandbox.run(["sh", "-c", "cut -d' ' -f1,5,6,7 /proc/self/stat; (: > /dev/tty) 2>/dev/null && echo tty"],
                       stdout=-1, text=True)
    pid, group, session, terminal = done.stdout.split()
    assert (int(session) == os.getsid(0), int(terminal)) == (False, 0)
    assert group == session
    assert pid != session  # cut is the shell's child

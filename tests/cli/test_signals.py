"""Signals to ``sidewall run``: what reaches the command, what ends it, what the exit code says.

Knows: signals, process states.  Must not know: how a cell works.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Cli


def until_ready(process: subprocess.Popen[bytes]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"


def stop(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait(30)
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1"])
def test_a_signal_reaches_the_command_and_the_code_tells_it(sidewall: Cli, name: str) -> None:
    number = getattr(signal, name)
    process = sidewall.start("run", "--", "sh", "-c", "echo ready; exec sleep 300")
    try:
        until_ready(process)
        process.send_signal(number)
        assert process.wait(30) == 128 + number
        assert process.stderr is not None and process.stderr.read() == b""
    finally:
        stop(process)


def test_a_command_may_catch_it_and_end_in_its_own_way(sidewall: Cli) -> None:
    script = "trap 'echo caught; exit 9' TERM; echo ready; while :; do sleep 0.1; done"
    process = sidewall.start("run", "--", "sh", "-c", script)
    try:
        until_ready(process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 9
        assert process.stdout is not None and process.stdout.read() == b"caught\n"
    finally:
        stop(process)


def test_an_interrupt_reaches_the_whole_tree(sidewall: Cli) -> None:
    script = "(trap 'echo child; exit' INT; echo ready; while :; do sleep 0.1; done) & trap '' INT; wait"
    process = sidewall.start("run", "--", "bash", "-c", script)
    try:
        until_ready(process)
        process.send_signal(signal.SIGINT)
        assert process.stdout is not None and process.stdout.readline() == b"child\n"
        assert process.wait(30) == 0
    finally:
        stop(process)


def test_a_hang_up_that_was_ignored_stays_so(sidewall: Cli) -> None:
    process = sidewall.start("run", "--", "sh", "-c", "echo ready; sleep 1; echo survived",
                             preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    try:
        until_ready(process)
        process.send_signal(signal.SIGHUP)
        assert process.wait(30) == 0
        assert process.stdout is not None and process.stdout.read() == b"survived\n"
    finally:
        stop(process)


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def eventually(condition: object, seconds: float = 20) -> bool:
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


def test_stop_and_continue_hold_the_command_too(sidewall: Cli) -> None:
    counter = sidewall.workspace / "count"
    process = sidewall.start("run", "--", "sh", "-c", "echo ready; while :; do echo x >> count; sleep 0.05; done")
    try:
        until_ready(process)
        assert eventually(counter.exists)
        process.send_signal(signal.SIGTSTP)
        assert eventually(lambda: state_of(process.pid) == "T")
        before = counter.stat().st_size
        time.sleep(0.5)
        assert counter.stat().st_size == before
        process.send_signal(signal.SIGCONT)
        assert eventually(lambda: counter.stat().st_size > before)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 143
    finally:
        stop(process)


def test_everything_dies_with_a_killed_sidewall(sidewall: Cli) -> None:
    script = "(setsid sleep 300 &) ; echo ready; while :; do echo x >> count; sleep 0.05; done"
    process = sidewall.start("run", "--", "sh", "-c", script)
    try:
        until_ready(process)
        counter = sidewall.workspace / "count"
        assert eventually(counter.exists)
        process.kill()
        process.wait(30)

        def still() -> bool:
            size = counter.stat().st_size
            time.sleep(0.3)
            return counter.stat().st_size == size

        assert eventually(still)
    finally:
        stop(process)


@pytest.mark.parametrize("delay", [0.0, 0.01, 0.02, 0.03, 0.05, 0.08])
def test_an_interrupt_at_any_time_is_never_a_traceback(sidewall: Cli, delay: float) -> None:
    code = ("from sidewall.cli import main; first = main.safe_path\n"
            "main.safe_path = lambda: (print('up', flush=True), first())\n"
            "main.entry()")
    process = subprocess.Popen([sys.executable, "-P", "-c", code, "run", "--", "sleep", "300"], cwd=sidewall.workspace,
                               env=sidewall.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               stdin=subprocess.DEVNULL)
    try:
        assert process.stdout is not None and process.stdout.readline() == b"up\n"
        time.sleep(delay)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) in (130, -signal.SIGINT)
        assert process.stderr is not None and b"Traceback" not in process.stderr.read()
    finally:
        stop(process)


def test_a_stopped_reader_does_not_stop_signals(sidewall: Cli) -> None:
    """Standard error is a full pipe that nobody reads: the relay waits, and a signal gets through all the same."""
    reading, writing = os.pipe()
    process = sidewall.start("run", "--", "sh", "-c", "echo ready; exec cat /dev/zero >&2", stderr=writing)
    os.close(writing)
    try:
        until_ready(process)
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        drained = 0
        while block := os.read(reading, 1 << 20):
            drained += len(block)
        assert process.wait(30) == 143 and drained > 65536
    finally:
        os.close(reading)
        stop(process)

"""The command's pseudo terminal in front of a real one: sizes, keys, raw mode and its end, pipes instead of it.

Knows: pseudo terminals.  Must not know: how a cell works.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import subprocess
import termios
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.cli.conftest import Cli

    Act = bytes | Callable[["Screen"], None]


class Screen:
    """A terminal of 30 by 100 with a process in its foreground."""

    def __init__(self, cli: Cli, *words: str, redirect: str = "") -> None:
        self.master, slave = os.openpty()
        termios.tcsetwinsize(slave, (30, 100))
        self.before = termios.tcgetattr(slave)
        self.output = b""

        def become_leader() -> None:
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        line = f'exec "$@" {redirect}'
        self.process = subprocess.Popen(["sh", "-c", line, "sh", *cli.argv, *words], stdin=slave, stdout=slave,
                                        stderr=slave, cwd=cli.workspace, env=cli.environment(TERM="dumb"),
                                        preexec_fn=become_leader)
        self.slave = slave

    def read(self, seconds: float) -> bool:
        if not select.select([self.master], [], [], seconds)[0]:
            return False
        self.output += os.read(self.master, 65536)
        return True

    def wait_for(self, text: bytes) -> None:
        deadline = time.monotonic() + 30
        while text not in self.output:
            assert time.monotonic() < deadline, self.output
            self.read(0.2)

    def type(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def end(self) -> int:
        """The exit code; all output has been read then."""
        deadline = time.monotonic() + 30
        while self.process.poll() is None:
            assert time.monotonic() < deadline, self.output
            self.read(0.05)
        while self.read(0.05):
            pass
        return self.process.returncode

    def is_raw(self) -> bool:
        return not termios.tcgetattr(self.slave)[3] & termios.ICANON

    def close(self) -> None:
        self.process.kill()
        self.process.wait(30)
        os.close(self.slave)
        os.close(self.master)


@pytest.fixture
def screen(sidewall: Cli) -> Iterator[Callable[..., Screen]]:
    made: list[Screen] = []

    def make(*words: str, redirect: str = "") -> Screen:
        made.append(Screen(sidewall, *words, redirect=redirect))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_the_command_has_a_terminal_of_its_own_with_our_size(screen: Callable[..., Screen]) -> None:
    shown = screen("run", "--", "sh", "-c", "test -t 0 -a -t 1 -a -t 2 && stty size && : > /dev/tty && exit 3")
    assert shown.end() == 3
    assert shown.output == b"30 100\r\n"
    assert termios.tcgetattr(shown.slave) == shown.before


def test_keys_go_in_and_are_echoed_once(screen: Callable[..., Screen]) -> None:
    shown = screen("run", "--", "sh", "-c", "echo ready; exec cat")
    shown.wait_for(b"ready\r\n")
    shown.type(b"hello\n")
    shown.wait_for(b"hello\r\nhello\r\n")
    assert shown.is_raw()
    shown.type(b"\x04")
    assert shown.end() == 0
    assert shown.output == b"ready\r\nhello\r\nhello\r\n" and not shown.is_raw()


def test_control_c_interrupts_the_command(screen: Callable[..., Screen]) -> None:
    shown = screen("run", "--", "sh", "-c", "echo ready; exec sleep 300")
    shown.wait_for(b"ready")
    shown.type(b"\x03")
    assert shown.end() == 130
    assert b"Traceback" not in shown.output and termios.tcgetattr(shown.slave) == shown.before


def test_a_new_size_reaches_the_command(screen: Callable[..., Screen]) -> None:
    script = 'echo ready; while [ "$(stty size)" != "40 120" ]; do sleep 0.05; done; echo resized'
    shown = screen("run", "--", "sh", "-c", script)
    shown.wait_for(b"ready")
    termios.tcsetwinsize(shown.master, (40, 120))
    assert shown.end() == 0 and b"resized" in shown.output


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_the_terminal_is_put_back_after_a_signal(screen: Callable[..., Screen], name: str) -> None:
    shown = screen("run", "--", "sh", "-c", "echo ready; exec sleep 300")
    shown.wait_for(b"ready")
    number = getattr(signal, name)
    shown.process.send_signal(number)
    assert shown.end() == 128 + number
    assert termios.tcgetattr(shown.slave) == shown.before


def test_stopped_it_gives_the_terminal_back_and_takes_it_again(screen: Callable[..., Screen]) -> None:
    shown = screen("run", "--", "sh", "-c", "echo ready; read line; echo got $line")
    shown.wait_for(b"ready")
    deadline = time.monotonic() + 20
    while not shown.is_raw() and time.monotonic() < deadline:
        time.sleep(0.02)
    shown.process.send_signal(signal.SIGTSTP)
    while shown.is_raw() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert termios.tcgetattr(shown.slave) == shown.before
    shown.process.send_signal(signal.SIGCONT)
    while not shown.is_raw() and time.monotonic() < deadline:
        time.sleep(0.02)
    shown.type(b"again\n")
    assert shown.end() == 0 and b"got again" in shown.output


def test_a_redirected_stream_goes_where_it_should(screen: Callable[..., Screen], sidewall: Cli) -> None:
    shown = screen("run", "--", "sh", "-c", "echo error >&2; echo shown", redirect="2> errors")
    assert shown.end() == 0
    assert shown.output == b"shown\r\n"
    assert (sidewall.workspace / "errors").read_bytes() == b"error\n"


def test_a_terminal_that_goes_away_blocks_nobody(screen: Callable[..., Screen], sidewall: Cli) -> None:
    script = "trap '' HUP; echo ready; while [ ! -e go ]; do sleep 0.05; done; seq 1 100000; echo x > made; exit 6"
    shown = screen("run", "--", "sh", "-c", script)
    shown.wait_for(b"ready")
    os.close(shown.master)
    os.close(shown.slave)
    shown.master, shown.slave = os.openpty()  # for the fixture to close
    (sidewall.workspace / "go").touch()
    assert shown.process.wait(30) == 6
    assert (sidewall.workspace / "made").read_text() == "x\n"


def test_in_the_background_it_leaves_the_terminal_alone(sidewall: Cli) -> None:
    master, slave = os.openpty()

    def become_leader() -> None:
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    shell = subprocess.Popen(["bash", "--norc", "-i"], stdin=slave, stdout=slave, stderr=slave, cwd=sidewall.workspace,
                             env=sidewall.environment(TERM="dumb", PS1="", INPUTRC="/dev/null"),
                             preexec_fn=become_leader)
    output = b""

    def until(condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < deadline, output
            time.sleep(0.02)

    def wait_for(text: bytes) -> None:
        nonlocal output
        deadline = time.monotonic() + 30
        while text not in output:
            assert time.monotonic() < deadline, output
            if select.select([master], [], [], 0.2)[0]:
                output += os.read(master, 65536)

    try:
        line = f"{' '.join(sidewall.argv)} run -- sh -c 'echo behind; read line; echo got $line' &\n"
        os.write(master, b"stty -echo\n" + line.encode())
        wait_for(b"behind")
        os.write(master, b"echo typed$((1 + 1))\n")
        wait_for(b"typed2")
        os.write(master, b"fg\n")
        until(lambda: os.tcgetpgrp(master) != shell.pid and not termios.tcgetattr(slave)[3] & termios.ICANON)
        os.write(master, b"front\n")
        wait_for(b"got front")
        until(lambda: os.tcgetpgrp(master) == shell.pid)
        os.write(master, b"echo code=$?; exit\n")
        wait_for(b"code=0")
        assert shell.wait(30) == 0
    finally:
        shell.kill()
        shell.wait(30)
        os.close(master)
        os.close(slave)


def test_the_shell_is_interactive(screen: Callable[..., Screen], sidewall: Cli) -> None:
    shown = screen("shell")
    shown.type(b"echo is$((40 + 2)) $-; exit 5\n")
    assert shown.end() == 5
    assert b"is42 " in shown.output and b"i" in shown.output.split(b"is42 ")[1].split(b"\r\n")[0]


@pytest.mark.parametrize("data", [b"one line\n", b"no newline", b"", b"many\n" * 20000])
def test_a_terminal_without_a_terminal_gets_all_input_and_its_end(sidewall: Cli, data: bytes) -> None:
    done = sidewall("run", "--tty", "--", "sh", "-c", "stty -echo -onlcr; cat | wc -c; stty size", stdin=data)
    assert done.returncode == 0
    counted, size = done.stdout.replace(b"\r", b"").splitlines()[-2:]
    assert counted.endswith(b"%d" % len(data)) and size == b"24 80"  # what was typed before stty ran is echoed


def test_much_output_arrives_whole(screen: Callable[..., Screen]) -> None:
    shown = screen("run", "--", "sh", "-c", "stty -onlcr; seq 1 200000")
    assert shown.end() == 0
    assert shown.output.split() == [b"%d" % number for number in range(1, 200001)]

"""Commands on a pseudo terminal: a controlling terminal of their own, job control, resizing, nothing of the host's.

Knows: pty(7), the shell's job control.  Must not know: how a terminal gets to a command.
"""

from __future__ import annotations

import fcntl
import gc
import os
import select
import shutil
import signal
import struct
import termios
import time

import pytest

from sidewall.platforms.linux.child import LinuxChild

from .place import PYTHON, Opened, Place, source

BASH = shutil.which("bash", path="/bin:/usr/bin")


@pytest.fixture
def cell(place: Place, tier: str) -> Opened:
    return place.open(tier)


class Terminal:
    """A command on a terminal of 30 rows and 100 columns, and what it shows."""

    def __init__(self, cell: Opened, argv: list[str]) -> None:
        env = cell.environment({b"TERM": b"dumb", b"PS1": b"$ "})
        self.child: LinuxChild = cell.start(argv, env=env, terminal=(30, 100))
        self.shown = b""

    def until(self, word: str, seconds: float = 10.0) -> str:
        """Waits for a word, and gives what was shown up to and with it."""
        deadline = time.monotonic() + seconds
        while word.encode() not in self.shown:
            left = deadline - time.monotonic()
            assert left > 0 and select.select([self.child.master_fd], [], [], left)[0], self.shown
            try:
                self.shown += os.read(self.child.master_fd, 4096)
            except OSError as error:
                raise AssertionError(f"{word!r} did not come: {self.shown!r}") from error
        before, _, self.shown = self.shown.partition(word.encode())
        return before.decode(errors="replace")

    def type(self, text: str) -> None:
        os.write(self.child.master_fd, text.encode())

    def end(self, seconds: float = 10.0) -> tuple[int, str]:
        """Everything to the end, and the exit code."""
        deadline = time.monotonic() + seconds
        while select.select([self.child.master_fd], [], [], max(0.0, deadline - time.monotonic()))[0]:
            try:
                block = os.read(self.child.master_fd, 4096)
            except OSError:
                break
            self.shown += block
        end = self.child.wait(5)
        assert end is not None, self.shown
        self.child.close()
        return end.returncode, self.shown.decode(errors="replace")


def shell(script: str) -> list[str]:
    return ["/bin/sh", "-c", script]


def test_it_is_a_terminal_and_the_controlling_one(cell: Opened) -> None:
    script = "tty && test -t 0 -a -t 1 -a -t 2 && echo for-tty > /dev/tty; stty size; exit 7"
    code, shown = Terminal(cell, shell(script)).end()
    words = shown.split()
    assert code == 7
    assert words[0].startswith("/dev/pts/") and words[1:] == ["for-tty", "30", "100"]


def test_it_belongs_to_the_session_of_the_command(cell: Opened) -> None:
    _, shown = Terminal(cell, shell("cut -d' ' -f1,5,6,7,8 /proc/$$/stat")).end()
    pid, group, session, terminal, foreground = map(int, shown.split())
    assert pid == group == session == foreground
    assert terminal != 0


@pytest.mark.skipif(BASH is None, reason="bash is not installed")
def test_job_control(cell: Opened) -> None:
    assert BASH is not None
    terminal = Terminal(cell, [BASH, "--norc", "--noprofile", "-i"])
    terminal.type("sleep 300\n")
    time.sleep(0.3)
    terminal.type("\x1a")
    assert "no job control" not in terminal.until("Stopped")
    terminal.type("bg; jobs; kill %1; wait; echo 'a''fter'\n")
    assert "Running" in terminal.until("after")
    terminal.type("sleep 301\n")
    time.sleep(0.3)
    terminal.type("\x03echo 'inter''rupted'; exit 3\n")
    terminal.until("interrupted")
    assert terminal.end()[0] == 3


def test_resizing_is_noticed(cell: Opened) -> None:
    terminal = Terminal(cell, shell("trap 'stty size; exit 0' WINCH; echo ready; while :; do sleep 0.05; done"))
    terminal.until("ready")
    fcntl.ioctl(terminal.child.master_fd, termios.TIOCSWINSZ, struct.pack("HHHH", 41, 123, 0, 0))
    code, shown = terminal.end()
    assert code == 0 and "41 123" in shown


def test_closing_it_hangs_up(cell: Opened) -> None:
    terminal = Terminal(cell, shell("trap 'echo gone > hung-up; exit 1' HUP; echo ready; while :; do sleep 0.05; done"))
    terminal.until("ready")
    os.close(terminal.child.master_fd)
    terminal.child.master_fd = -1
    end = terminal.child.wait(10)
    assert end is not None
    terminal.child.close()
    assert cell.run("cat hung-up").output == "gone\n"


def push_input() -> None:
    import fcntl
    import os
    import struct

    found = []
    for path in ("/dev/tty", "/dev/console", "/dev/tty0", "/dev/tty1"):
        try:
            found.append(os.open(path, os.O_RDWR | os.O_NOCTTY))
        except OSError:
            continue
    requests = ((0x5412, b"x"), (0x541C, struct.pack("B", 2)), (0x541D, 0), (0x5423, struct.pack("i", 1)))
    for descriptor in (0, *found):
        for request, argument in requests:
            for number in (request, request | 1 << 32, request - (1 << 32)):
                try:
                    fcntl.ioctl(descriptor, number, argument)
                    print("DID", hex(request), descriptor)
                except (OSError, OverflowError):
                    continue
    print("end")


def test_nothing_can_be_typed_into_it_from_inside(cell: Opened) -> None:
    _, shown = Terminal(cell, [PYTHON, "-I", "-S", "-c", source(push_input)]).end()
    assert shown.split() == ["end"]


def test_terminals_of_the_host_are_out_of_reach(cell: Opened) -> None:
    master, slave = os.openpty()
    try:
        name = os.ttyname(slave)
        # In a cell with terminals of its own the name may be one of these, but never the host's.
        cell.run(f"echo intruder > {name}; echo intruder > /dev/console; cat {name} & sleep 0.1; kill $!")
        os.set_blocking(master, False)
        with pytest.raises(BlockingIOError):
            os.read(master, 100)
    finally:
        os.close(master)
        os.close(slave)


def test_a_missing_program_on_a_terminal(cell: Opened) -> None:
    gc.collect()  # what earlier tests left
    before = len(os.listdir("/proc/self/fd"))
    for argv, error in ((["no-such-program"], FileNotFoundError), (["/usr"], PermissionError)):
        with pytest.raises(error) as caught:
            cell.start(argv, terminal=(24, 80))
        assert caught.value.filename == argv[0]
    assert len(os.listdir("/proc/self/fd")) == before
    assert cell.run("echo alive").output == "alive\n"


def test_many_terminals(cell: Opened) -> None:
    before = len(os.listdir("/proc/self/fd"))
    terminals = [Terminal(cell, shell(f"echo {number}; read line; echo \"got $line\"")) for number in range(10)]
    for number, terminal in enumerate(terminals):
        terminal.until(str(number))
        terminal.type(f"{number * 7}\n")
    for number, terminal in enumerate(terminals):
        code, shown = terminal.end()
        assert code == 0 and f"got {number * 7}" in shown
    assert len(os.listdir("/proc/self/fd")) <= before + 2


def test_signals_reach_a_command_on_a_terminal(cell: Opened) -> None:
    terminal = Terminal(cell, shell("echo ready; sleep 300"))
    terminal.until("ready")
    terminal.child.signal(signal.SIGKILL, tree=True)
    assert terminal.end()[0] == -signal.SIGKILL

"""L-105 to L-108, LX-07: the user's terminal: typing into it, reading from it, sharing it, and what is shown on it.

Knows: terminals.  Must not know: how they are held back.  Follows `docs/attacks.md`, group L6.  The judge owns the
terminal and reads its input queue afterwards: what waits there is what the user's shell would run next.
"""
# ruff: noqa: F821

from __future__ import annotations

import os
import select
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from .guards import NAMESPACE, SIDEWALL, Guard, environment, guards
from .outside import Terminal
from .probes import command
from .world import World

PRIVILEGES = guards("privileges")
STEP = 40.0


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    """A terminal of the judge."""
    made = Terminal()
    try:
        yield made
    finally:
        made.close()


def probe_type(high):
    import fcntl
    import termios

    libc = ctypes.CDLL(None, use_errno=True)
    descriptors = [0, 1, 2]
    for path in ("/dev/tty", "/proc/self/fd/0", "/proc/self/fd/1", "/dev/console"):
        found = attempt("open " + path, os.open, path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        descriptors += [found] if found else []
    attempt("controlling", lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 1))
    for descriptor in descriptors:
        for number in [termios.TIOCSTI | top << 32 for top in ((1, 0x80000000, 0xFFFFFFFF) if high else (0,))]:
            for letter in NONCE + "\n":
                libc.syscall(ctypes.c_long(NR["ioctl"]), descriptor, ctypes.c_ulong(number), letter.encode())
        line = ctypes.create_string_buffer(bytes([3]) + NONCE.encode())
        for number in (0x541C, 0x541C | 1 << 32):
            libc.syscall(ctypes.c_long(NR["ioctl"]), descriptor, ctypes.c_ulong(number), line)


def legacy_typing() -> bool:
    """Whether this kernel lets anybody type into his terminal: without that the control cannot bite."""
    switch = Path("/proc/sys/dev/tty/legacy_tiocsti")
    return not switch.exists() or switch.read_text().strip() == "1"


@PRIVILEGES
@pytest.mark.parametrize("options", [(), ("--tty",)], ids=["plain", "tty"])
@pytest.mark.parametrize("row", ["L-105", "L-106"])
def test_typing(guard: Guard, world: World, terminal: Terminal, row: str, options: tuple[str, ...]) -> None:
    if guard.is_control and not legacy_typing():
        pytest.skip("this kernel refuses TIOCSTI to everybody")
    argv = guard.argv(command(probe_type, world.nonce, high=row == "L-106"), options)
    process = terminal.spawn(argv, environment(world), world.workspace)
    shown = terminal.watch(process, STEP)
    queued = terminal.queued()
    assert f"ATTACK-END {world.nonce}".encode() in shown, shown
    if guard.is_control:
        assert world.nonce.encode() in queued
    else:
        assert queued == b"", f"ESCAPE by {guard.name}: {queued!r} waits for the user's shell"


def probe_own_terminal():
    found = attempt("open", os.open, "/dev/tty", os.O_RDWR | os.O_NOCTTY)
    if found:
        os.write(found, b"SHARED " + NONCE.encode())


@PRIVILEGES
def test_L107_controlling_terminal(guard: Guard, world: World, terminal: Terminal) -> None:
    """With output to a pipe, what appears on the terminal came by `/dev/tty`."""
    with tempfile.TemporaryFile() as file:
        argv = guard.argv(command(probe_own_terminal, world.nonce))
        process = terminal.spawn(argv, environment(world), world.workspace, output=file.fileno())
        shown = terminal.watch(process, STEP)
        file.seek(0)
        output = file.read()
    assert b"ATTACK-START" in output, (output, shown)
    shared = b"SHARED" in shown
    assert shared if guard.is_control else not shared, (output, shown)


def probe_other_terminal(name):
    for path in (name, "/proc/1/root" + name, "/dev/pts/../pts/" + name.rsplit("/", 1)[1]):
        found = attempt("open " + path, os.open, path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        if found:
            attempt("write", os.write, found, NONCE.encode())


@guards("write-outside")
def test_LX07_terminal_of_another_shell(guard: Guard, world: World, terminal: Terminal) -> None:
    outcome = guard.attack(world, probe_other_terminal, name=terminal.name)
    came = select.select([terminal.master], [], [], 0)[0] and world.nonce.encode() in os.read(terminal.master, 65536)
    guard.judge(outcome, came)


ESCAPES = b"\x1b]52;c;ZXZpbA==\x07\x1b]0;title\x07\x1b]8;;http://x/\x07\x1bP1$r\x1b\\\x1b[6n\r\xe2\x80\xae"


@guards("write-outside", control=False, only=(NAMESPACE,))
@pytest.mark.parametrize("row", ["L-108", "A-22"])
def test_escape_sequences(guard: Guard, world: World, row: str) -> None:
    """The command's own output is its own, byte for byte; what *we* print must never carry what the command chose."""
    if row == "L-108":
        outcome = guard.run(world, ["printf", ESCAPES.decode().replace("\\", "\\\\").replace("%", "%%")])
        assert outcome.stdout == ESCAPES
        assert outcome.returncode == 0
    else:
        outcome = guard.run(world, ["./no-such-\x1b]0;title\x07program"])
        assert outcome.returncode == 127, str(outcome)
        assert b"no-such-" in outcome.stderr
        assert b"\x1b" not in outcome.stderr and b"\x07" not in outcome.stderr


@guards("write-outside", control=False)
def test_A22_names_with_escapes_in_our_own_lines(guard: Guard, world: World) -> None:
    """A refused path goes into the line that explains the refusal: its control characters must not."""
    path = world.outside / "x\x1b]0;title\x07\x1b[2Jy"
    script = 'echo "touch: cannot touch \'$1\': Read-only file system" >&3; exec touch "$1" 2>/dev/null'
    outcome = guard.run(world, ["sh", "-c", "exec 3>/dev/null; " + script, "sh", str(path)])
    assert outcome.returncode != 0
    assert b"\x1b" not in outcome.stderr and b"\x07" not in outcome.stderr, outcome.stderr
    assert not path.exists()


def test_a_launcher_on_a_terminal_gives_it_back(world: World, terminal: Terminal) -> None:
    """After `--tty` the terminal is as it was: modes restored, nothing waits."""
    import termios

    before = termios.tcgetattr(terminal.slave)
    process = terminal.spawn([*SIDEWALL, "run", "--tty", "--", "true"], environment(world), world.workspace)
    terminal.watch(process, STEP)
    assert process.returncode == 0, terminal.shown
    assert termios.tcgetattr(terminal.slave) == before
    assert terminal.queued() == b""

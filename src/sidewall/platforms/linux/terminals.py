"""Pseudo terminals of commands: one of the cell's own, or one that the owner made where the cell has none.

Knows: pty(7), ioctl_tty(2), how a process gets a controlling terminal.  Must not know: what runs on it.
"""

from __future__ import annotations

import _socket
import os
import struct

from sidewall.platforms.linux import native, syscalls, wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
else:
    import _signal

_TIOCSPTLCK, _TIOCGPTN, _TIOCSWINSZ, _TIOCSCTTY = 0x40045431, 0x80045430, 0x5414, 0x540E


def open_terminal(size: tuple[int, int]) -> tuple[int, str]:
    """A new pseudo terminal of the cell: its master side and the path of its other side (pty(7))."""
    master = os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        syscalls.check(syscalls.libc.ioctl(master, native.ulong(_TIOCSPTLCK), bytes(4)), "ioctl TIOCSPTLCK")
        number = native.buffer(4)
        syscalls.check(syscalls.libc.ioctl(master, native.ulong(_TIOCGPTN), number), "ioctl TIOCGPTN")
        room = struct.pack("HHHH", size[0], size[1], 0, 0)
        syscalls.check(syscalls.libc.ioctl(master, native.ulong(_TIOCSWINSZ), room), "ioctl TIOCSWINSZ")
    except OSError:
        os.close(master)
        raise
    return master, f"/dev/pts/{struct.unpack('i', number.raw)[0]}"


def start_on(terminal: int, program: bytes, argv: list[bytes], env: dict[bytes, bytes],
             defaulted: list[_signal.Signals]) -> int:
    """Starts a program with this open terminal as its stdio and its controlling terminal; its pid.

    posix_spawn(3) takes a controlling terminal only by opening its path, which Landlock refuses here; so this small,
    single-threaded process forks.  Raises OSError for what execve(2) refuses.
    """
    told, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setsid()
            syscalls.check(syscalls.libc.ioctl(terminal, native.ulong(_TIOCSCTTY), native.ulong(0)),
                           "ioctl TIOCSCTTY")
            for number in (0, 1, 2):
                os.dup2(terminal, number)
            for signal in defaulted:
                _signal.signal(signal, _signal.SIG_DFL)
            _signal.pthread_sigmask(_signal.SIG_SETMASK, [])
            os.execve(program, argv, env)
        except OSError as error:
            os.write(tell, struct.pack("i", error.errno or 5))
        finally:
            os._exit(127)
    os.close(tell)
    with open(told, "rb", buffering=0) as answer:
        data = answer.read(4)
    if data:
        os.waitpid(pid, 0)
        raise OSError(struct.unpack("i", data)[0], "execve")
    return pid


def send_master(status: int, reply: bytes, master: int) -> None:
    """The start of a command on a terminal, told on its status socket together with the terminal's master side."""
    answer = _socket.socket(fileno=status)
    try:
        wire.send(answer, reply, [master] if master >= 0 else [])
    except OSError:
        # The owner is gone; so will we be.
        return
    finally:
        answer.detach()
